"""Runs with language models behind a misbehaving server: throughput under faults, overlap with judging, the cost cap.

    python bench/models.py                    all three tables, about five minutes
    python bench/models.py --part faults --candidates 300

The server (`misbehaving/server.py`) is a process of its own and keeps exact books; a candidate is a constant for the
trivial problem, so that judging costs next to nothing. ``requests`` is what the server saw, ``ratio`` compares with the
run without faults. Rates are those between the tenth and the ninetieth of a hundred verdicts, so that neither starting
workers nor waiting for the last answers counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.archive import Archive
from evaluators.model import Evaluation
from evolve.config import resolve
from evolve.runner import Flight
from evolve.session import new_run, open_session

HERE = Path(__file__).parent
PRICES = "[faulty]\ninput = 1.0\noutput = 10.0\n"
SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run took and what the server billed."""

    verdicts: list[float]
    calls: int
    tokens: int
    cost: float
    books: dict[str, Any]

    @property
    def candidates(self) -> int:
        return len(self.verdicts)

    @property
    def rate(self) -> float:
        first, last = len(self.verdicts) // 10, 9 * len(self.verdicts) // 10
        return (last - first) / (self.verdicts[last] - self.verdicts[first])


class Watch:
    """Notes when candidates of a model were judged."""

    def __init__(self) -> None:
        self.verdicts: list[float] = []

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        if flight.candidate.proposer == "llm" and flight.planned.purpose.value == "search":
            self.verdicts.append(time.monotonic())

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        pass

    def say(self, text: str) -> None:
        print(f"  ({text})")


@contextmanager
def server(**options: object) -> Iterator[str]:
    """The misbehaving server's base URL."""
    words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    answer = f"--answer={HERE / 'misbehaving' / 'made_answers.py'}:new_constant"
    process = subprocess.Popen(
        [sys.executable, str(HERE / "misbehaving" / "server.py"), answer, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def books(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/books", timeout=30) as response:
        read: dict[str, Any] = json.load(response)
        return read


def run(base_url: str, seconds: float = 600.0, **flags: str) -> Result:
    """A run on two workers, until its budget is spent."""
    problem = flags.pop("problem", str(HERE / "trivial"))
    with tempfile.TemporaryDirectory() as folder:
        prices = Path(folder) / "prices.toml"
        prices.write_text(PRICES)
        values = {"base_url": base_url, "model": "faulty", "insights_every": "0", "seed": "1", "block_size": "100000"}
        values |= {"prices_file": str(prices), "workers": "2", "without": "operators,tuner"}
        with Archive.open(str(Path(folder) / "a.db"), create=True) as archive:
            record = new_run(archive, problem, resolve({**values, **flags}, {}, None))
            watch, until = Watch(), time.monotonic() + seconds
            with open_session(archive, record, watch) as session:
                session.search(lambda: time.monotonic() > until)
            done = archive.run_by_id(record.id)
    return Result(
        verdicts=watch.verdicts,
        calls=done.calls,
        tokens=done.tokens,
        cost=done.cost,
        books=books(base_url),
    )


def faults(candidates: int, problem: str) -> None:
    print(f"\n20 % faults of every kind, 16 requests at once, {candidates} candidates, problem {Path(problem).name}")
    print(f"{'latency':>8} {'faults':>7} {'cand/s':>7} {'ratio':>6} {'requests':>9} {'at once':>8} {'charged':>8}")
    for latency in (0.3, 1.0):
        base = 0.0
        for share in (0.0, 0.2):
            with server(faults=share, latency=latency, slow=1.0, retry_after=1.0) as base_url:
                got = run(base_url, evaluations=str(candidates), concurrency="16", max_tokens="2048", problem=problem)
            base = base or got.rate
            seen = got.books
            charged = got.tokens / seen["tokens"]
            print(
                f"{latency:>7.1f}s {share:>7.0%} {got.rate:>7.1f} {got.rate / base:>6.2f} {len(seen['requests']):>9} "
                f"{seen['most_in_flight']:>8} {charged:>8.3f}"
            )


def overlap(candidates: int) -> None:
    print(
        f"\n1 s latency, trivial judging, {candidates} candidates (the wire allows as many a second as are under way)"
    )
    print(f"{'under way':>10} {'cand/s':>7} {'of the wire':>12}")
    for concurrency in (4, 16, 32):
        with server(latency=1.0) as base_url:
            got = run(base_url, evaluations=str(candidates), concurrency=str(concurrency))
        print(f"{concurrency:>10} {got.rate:>7.1f} {got.rate / concurrency:>12.0%}")


def cap() -> None:
    print("\nthe cost cap, 16 requests at once, 20 % faults")
    print(f"{'cap':>8} {'charged':>9} {'billed':>9} {'used':>6} {'candidates':>11}")
    for limit in (0.05, 0.2, 0.8):
        with server(faults=0.2, latency=0.1, slow=0.5, retry_after=0.2) as base_url:
            got = run(base_url, cost=str(limit), concurrency="16", max_tokens="1100")
        billed = (got.books["prompt_tokens"] * 1.0 + got.books["completion_tokens"] * 10.0) / 1e6
        assert billed <= got.cost <= limit, "the cap was passed"
        print(f"${limit:>7.2f} ${got.cost:>8.4f} ${billed:>8.4f} {got.cost / limit:>6.0%} {got.candidates:>11}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["faults", "overlap", "cap", "all"], default="all")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--problem", default=str(HERE / "trivial"), help="for the part on faults")
    options = parser.parse_args()
    os.environ.pop("OPENAI_BASE_URL", None)
    if options.part in ("faults", "all"):
        faults(options.candidates, options.problem)
    if options.part in ("overlap", "all"):
        overlap(options.candidates)
    if options.part in ("cap", "all"):
        cap()


if __name__ == "__main__":
    main()
