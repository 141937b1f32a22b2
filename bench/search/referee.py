"""Judges programs for systems that are not ours: the same judge, sandbox and workloads, behind a small HTTP interface.

    python bench/search/referee.py --problem bench/search/problems/noisy --seed 0 --log seen.jsonl --port-file /tmp/port

``POST /evaluate`` takes ``{"program": text}`` and gives ``{"score", "stderr", "outcome", "reason"}``; the score is null
unless the outcome is ok. One program at a time. Once ``--budget`` programs were judged, every further one has the
outcome ``budget``; the initial program does not count. ``GET /count`` says how many were judged.

Programs meet train block 0 under a secret that follows from the seed. Where noise hangs on the block (`noisy`), every
evaluation has a block of its own, so that nobody sees the same noise twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Split
from evaluators.problem import Problem
from evaluators.program import ProgramError, normalised_digest
from evaluators.registry import load_problem
from evaluators.seeding import secret_from_seed


class Referee:
    """Judges up to a budget and keeps a log; safe to be called from several threads."""

    def __init__(self, problem: Problem, *, secret: bytes, budget: int, log: Path | None = None) -> None:
        self._problem = problem
        self._judge = Judge(problem, secret=secret, clock=time.perf_counter)
        self._budget = budget
        self._log = log
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._block: Block | None = None
        self._drawn = 0
        self._initial = self._digest(problem.seeds[0].source)
        self.judged = 0
        self.refused = 0
        self.judging_seconds = 0.0

    def evaluate(self, program: str) -> dict[str, Any]:
        """Judge a program, if there is budget left."""
        with self._lock:
            initial = self._digest(program) == self._initial
            if not initial and self.judged >= self._budget:
                self.refused += 1
                return {"score": None, "stderr": None, "outcome": "budget", "reason": "the budget is spent"}
            self.judged += not initial
            begun = time.monotonic()
            found = self._judge.evaluate(program, self._next_block())
            self.judging_seconds += time.monotonic() - begun
            verdict: dict[str, Any] = {
                "score": found.score,
                "stderr": found.stderr,
                "outcome": found.outcome.value,
                "reason": found.reason,
            }
            self._enter({"index": None if initial else self.judged, "initial": initial, **verdict, "program": program})
            return verdict

    def count(self) -> dict[str, Any]:
        """How many programs were judged and refused, the budget, and the seconds spent on judging."""
        with self._lock:
            return {
                "judged": self.judged,
                "refused": self.refused,
                "budget": self._budget,
                "judging_seconds": self.judging_seconds,
            }

    def close(self) -> None:
        """End the sandbox."""
        with self._lock:
            self._judge.close()

    def _next_block(self) -> Block:
        fresh = getattr(self._problem, "fresh_blocks", False)
        if self._block is None or fresh:
            self._block = self._judge.block(Split.TRAIN, self._drawn)
            self._drawn += 1
        return self._block

    def _digest(self, program: str) -> str:
        try:
            return normalised_digest(program, entry=self._problem.declaration.entry)
        except ProgramError:
            return ""

    def _enter(self, entry: dict[str, Any]) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seconds": round(time.monotonic() - self._started, 3), **entry}) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    referee: Referee

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class says so
        """Nothing: the log is enough."""

    def do_GET(self) -> None:
        self._send(self.referee.count())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        with contextlib.suppress(ConnectionError):
            self._send(self.referee.evaluate(str(body.get("program", ""))))

    def _send(self, value: dict[str, Any]) -> None:
        payload = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def make_server(referee: Referee, port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback; ``serve_forever`` runs it."""
    handler = type("Handler", (_Handler,), {"referee": referee})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", required=True, help="folder of the problem")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100, help="programs to judge beside the initial one")
    parser.add_argument("--log", type=Path, help="a JSON line for every program judged")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, help="where to write the port once it listens")
    options = parser.parse_args()
    problem = load_problem(options.problem)
    secret = secret_from_seed(options.seed, problem.declaration.name)
    referee = Referee(problem, secret=secret, budget=options.budget, log=options.log)
    server = make_server(referee, options.port)
    port = server.server_address[1]
    if options.port_file is not None:
        options.port_file.write_text(f"{port}\n", encoding="utf-8")
    print(f"http://127.0.0.1:{port}", flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    finally:
        referee.close()


if __name__ == "__main__":
    main()
