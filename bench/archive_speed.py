"""How fast the archive takes candidates in, and whether that stays so as it grows.

Each candidate is a 4 KB program with one parent, judged on 8 workloads: one `register` and one `record`, each
its own transaction. At each size the next 200 pairs alternate with pairs into a small archive, so that the
ratio of the two means something on a busy machine; "quick" is the quickest tenth. Then the time of a
leaderboard of 20 rows. Run: python bench/archive_speed.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.statistics import stratified

SIZES = (200, 2_000, 20_000)
WINDOW = 200
SOURCE = "\n".join(f"    total += loads[{line}] * weights[{line}]  # step {line}" for line in range(85))


def candidate(number: int) -> NewCandidate:
    return NewCandidate(
        number=number,
        source=f"def plan(loads):\n    seed = {number}\n{SOURCE}"[:4096],
        digest=f"{number:064x}",
        proposer="operators",
        operator="constant",
        parents=(number // 2,) if number else (),
        note="one constant changed",
    )


def verdict(number: int) -> Evaluation:
    shares = [40.0 + (number * 7919 + workload * 104729) % 1000 / 50 for workload in range(8)]
    results = tuple(
        WorkloadResult(
            name=f"26x64/kind{workload}",
            objective=0.9 + share / 1000,
            baseline=0.85,
            reference=0.95,
            ceiling=0.97,
            share=share,
            stderr=0.4,
            metrics={"balance": 0.91, "moved": 0.02, "plan_seconds": 0.011},
        )
        for workload, share in enumerate(shares)
    )
    pooled = stratified(shares, [0.4] * len(shares), [result.kind for result in results])
    return Evaluation(
        problem="eplb",
        split=Split.TRAIN,
        block=number // 200,
        digest="workloads",
        outcome=Outcome.OK,
        score=pooled.mean,
        stderr=pooled.stderr,
        low=pooled.low,
        high=pooled.high,
        workloads=results,
        metrics={"balance": 0.91, "moved": 0.02, "plan_seconds": 0.011},
        seconds=0.5,
        host={"machine": "x86_64", "python": "3.11", "sandbox": "full"},
    )


def milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


class Filler:
    """Adds candidates to a run of its own, one at a time."""

    def __init__(self, archive: Archive) -> None:
        new = NewRun(name="bench", problem="eplb", digest="workloads", config={}, secret=bytes(32))
        self.archive = archive
        self.run = archive.create_run(new)
        self.size = 0

    def add(self) -> float:
        """Register and record one more; returns the milliseconds that took."""
        number = self.size
        new, result = candidate(number), verdict(number)
        planned = Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=result.block)
        self.size += 1
        return milliseconds(lambda: self.archive.record(self.archive.register(self.run.id, new, planned), result))


def further(archive: Archive, run_id: int, block: int) -> float:
    """Evaluate candidate 0 on one more block; returns the milliseconds that plan and record took."""
    planned = Planned(number=0, purpose=Purpose.CARRY, split=Split.TRAIN, block=block)
    result = replace(verdict(0), block=block)
    return milliseconds(lambda: archive.record(archive.plan(run_id, planned), result))


def measure(large: Filler, small: Filler, sizes: tuple[int, ...]) -> None:
    print(f"{'candidates':>10}  {'pair ms':>8}  {'quick ms':>8}  {'pairs/s':>8}  {'vs small':>8}")
    for size in sizes:
        while large.size < size - WINDOW:
            large.add()
        times, controls = zip(*((large.add(), small.add()) for _ in range(WINDOW)), strict=True)
        typical, quick = median(times), sorted(times)[WINDOW // 10]
        ratio = typical / median(controls)
        print(f"{size:>10}  {typical:>8.2f}  {quick:>8.2f}  {1e3 / typical:>8.0f}  {ratio:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = tuple(sorted(parser.parse_args().sizes))
    with (
        tempfile.TemporaryDirectory() as folder,
        Archive.open(f"{folder}/large.db", create=True) as archive,
        Archive.open(f"{folder}/small.db", create=True) as control,
    ):
        large = Filler(archive)
        measure(large, Filler(control), sizes)
        run_id, last = large.run.id, large.size - 1
        times = [further(archive, run_id, block) for block in range(1_000, 1_020)]
        print(f"1st to 20th further evaluation of one candidate: {times[0]:.2f} to {times[-1]:.2f} ms")
        for sort in ("low", "score", "number"):
            times = [milliseconds(lambda sort=sort: archive.standings(run_id, sort=sort)) for _ in range(20)]
            print(f"standings(top=20, sort={sort!r}) at {large.size}: {median(times):.2f} ms")
        times = [milliseconds(lambda: archive.standing(run_id, last)) for _ in range(20)]
        print(f"standing of one candidate: {median(times):.2f} ms")
        seconds = milliseconds(lambda: deque(archive.history(run_id), maxlen=0)) / 1e3
        print(f"history: {large.size / seconds:.0f} evaluations/s")


if __name__ == "__main__":
    main()
