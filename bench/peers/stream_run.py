"""Candidates of a stream, and one stream through one peer: its requests answered, its end and its leavings noted."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from install import venv_python

PEERS = Path(__file__).resolve().parent
EVERY = 5
"""One in this many candidates of a faulty stream has a fault."""
MARK = "PEERS_STREAM"
"""Environment variable by which the processes of one run are found, whatever session they moved to."""
PEER_FORM = "# EVOLVE-BLOCK-START\n# candidate {number}\n{imports}def value():\n    {body}\n# EVOLVE-BLOCK-END\n"
OUR_FORM = "# candidate {number}\nimport numpy as np\n{imports}def answer(size):\n    {body}\n"
FAULTS = {
    "sys.exit": ("import sys\n", "sys.exit(0)"),
    "os._exit": ("import os\n", "os._exit(0)"),
    "hang": ("import time\n", "while True:\n        time.sleep(0.05)"),
    "1 GB": ("", "kept = bytearray(1 << 30)\n    kept[::4096] = b'x' * len(kept[::4096])\n    return {result}"),
    "garbage": ("", "print('garbage ' * 1000)\n    return 'garbage'"),
    "nan": ("", "return {nan}"),
}
ORDER = ("sys.exit", "hang", "1 GB", "garbage", "os._exit", "hang", "1 GB", "nan")
"""The faults in the order in which every fifth candidate has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One program of a stream; its true score is ``score`` for a peer and 200 * score for ours."""

    number: int
    source: str
    score: float
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one stream; no rate where it did not come to its end."""

    per_second: float | None
    honest: int
    right: int
    survived: str
    left: str
    best: str


def make_stream(form: str, count: int, faults: tuple[str, ...], result: str, nan: str) -> list[Candidate]:
    """Candidates 1 to ``count``, every fifth with the next of the faults.

    ``result`` and ``nan`` are expressions of the constant ({score}) and of not a number.
    """
    found = []
    for number in range(1, count + 1):
        score = round(0.1 + 0.3 * ((7 * number) % count) / count, 6)
        returned = result.format(score=score)
        fault = faults[(number // EVERY - 1) % len(faults)] if faults and number % EVERY == 0 else None
        imports, body = ("", "return {result}") if fault is None else FAULTS[fault]
        source = form.format(number=number, imports=imports, body=body.format(result=returned, nan=nan))
        found.append(Candidate(number=number, source=source, score=score, fault=fault))
    return found


@dataclass(slots=True)
class Dispenser:
    """Answers each chat request with the next candidate, and with copies of the first one when they are gone."""

    stream: list[Candidate]
    given: int = 0
    times: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, prompt: str) -> str:
        if "JSON array" in prompt:  # SkyDiscover asks for ideas now and then; it gets none and goes on
            return "[]"
        with self.lock:
            self.times.append(time.time())
            candidate = self.stream[self.given] if self.given < len(self.stream) else self.stream[0]
            self.given += 1
        code = f"```python\n{candidate.source}```"
        return f"<NAME>\nnext\n</NAME>\n\n<DESCRIPTION>\nThe next one.\n</DESCRIPTION>\n\n<CODE>\n{code}\n</CODE>\n"


@contextlib.contextmanager
def serving(dispenser: Dispenser) -> Iterator[str]:
    """Serves chat completions on a free loopback port; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            prompt = self.rfile.read(int(self.headers["Content-Length"])).decode()
            message = {"role": "assistant", "content": dispenser.next_answer(prompt)}
            answer = {
                "id": "stream",
                "object": "chat.completion",
                "created": 0,
                "model": "scripted",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def marked(token: str) -> list[int]:
    """Living processes that were started with this token in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={token}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def run_peer(row: str, count: int, faults: tuple[str, ...], limit_seconds: float) -> Outcome:
    """One stream through one peer, in a process group of its own."""
    peer, _, mode = row.partition("-")
    stream = make_stream(PEER_FORM, count, faults, "{score}", 'float("nan")')
    dispenser = Dispenser(stream)
    token = os.urandom(8).hex()
    with tempfile.TemporaryDirectory(prefix="stream-") as folder, serving(dispenser) as url:
        out = Path(folder)
        (out / "initial.py").write_text(PEER_FORM.format(number=0, imports="", body="return 0.0"))
        (out / "statement.txt").write_text("Return a number from value(); larger is better.\n")
        log = out / "log.jsonl"
        log.touch()
        command = [
            *(str(venv_python(peer)), str(PEERS / peer / "stream.py")),
            *("--initial", str(out / "initial.py"), "--statement", str(out / "statement.txt")),
            *("--proposer-url", url, "--referee-url", url, "--proposals", str(count), "--out", str(out / "out")),
        ]
        environment = {**os.environ, MARK: token, "PEERS_LOG": str(log), "PEERS_MODE": mode or "in_process"}
        label = {0: "clean", 1: "-".join(faults)}.get(len(faults), "mixed").replace(" ", "")
        with (PEERS / ".venvs" / f"stream-{row}-{label}.log").open("w") as said:
            driver = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True
            )
            survived, left = wait(driver, token, log, dispenser, limit_seconds)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        best = read_best(out / "out" / "leader.json", out / "out" / "leader.py", stream)
    return summarize(stream, dispenser.times, lines, survived, left, best)


def wait(
    driver: subprocess.Popen[bytes], token: str, log: Path, dispenser: Dispenser, limit_seconds: float
) -> tuple[str, str]:
    """How the driver ended, and how many processes it left, which are ended here; at the limit it is ended itself."""
    ended = "yes"
    try:
        code = driver.wait(timeout=limit_seconds)
        if code:
            ended = f"no: exit code {code}"
        elif dispenser.given < len(dispenser.stream):
            ended = f"no: exit code 0 after {dispenser.given} of {len(dispenser.stream)}"
    except subprocess.TimeoutExpired:
        seen = dispenser.times[-1] if dispenser.times else time.time()
        last = max(seen, log.stat().st_mtime)
        ended = f"no: still there at {limit_seconds:.0f} s, idle for {time.time() - last:.0f} s"
    time.sleep(0.5)
    alive = marked(token)
    left = str(len([pid for pid in alive if pid != driver.pid]))
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    driver.wait()
    return ended, left


def read_best(told: Path, program: Path, stream: list[Candidate]) -> str:
    """What the tool named as its best, and whether that is the truth."""
    if not told.exists():
        return "none named"
    reported = json.loads(told.read_text())["reported"]
    number = re.search(r"# candidate (\d+)", program.read_text())
    if reported is None or not math.isfinite(reported):
        return f"garbage ({reported})"
    truth = next((each for each in stream if number and each.number == int(number[1])), None)
    if truth is None or truth.fault not in {None, "1 GB"} or not math.isclose(reported, truth.score):
        return f"wrong ({reported})"
    top = max(each.score for each in stream if each.fault is None)
    return "honest" if reported >= top else f"honest, not the best ({reported:.3f} of {top:.3f})"


def summarize(
    stream: list[Candidate], requests: list[float], lines: list[dict[str, float]], survived: str, left: str, best: str
) -> Outcome:
    """Rates count from the first request to the last sign of work."""
    scores: dict[int, float] = {}
    for line in lines:
        scores.setdefault(int(line["candidate"]), line["score"])
    honest = [each for each in stream if each.fault is None]
    right = sum(each.number in scores and math.isclose(scores[each.number], each.score) for each in honest)
    stamps = [*requests, *(line["at"] for line in lines)]
    whole = len(requests) >= len(stream)
    return Outcome(
        per_second=len(stream) / (max(stamps) - min(requests)) if whole else None,
        honest=len(honest),
        right=right,
        survived=survived,
        left=left,
        best=best,
    )
