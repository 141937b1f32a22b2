"""What judging one trivial candidate costs beyond its own work, and how many a whole run gets through.

    python bench/candidate_cost.py --n 200            latency: serial pool and one Ray worker beside a bare fork
    python bench/candidate_cost.py --run 20000        throughput of a whole search, archive included, as it grows

The trivial candidate returns a constant array; a candidate is one fresh sandboxed process and two calls.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from db.archive import Archive
from db.records import NewRun
from evaluators.model import Evaluation, Split
from evaluators.pool import RayPool
from evaluators.registry import load_problem
from evaluators.serial import SerialPool
from evaluators.tasks import EvaluationPool, Task, WorkerSpec
from evolve.budget import Budget
from evolve.desk import InlineDesk
from evolve.evolution import Evolution
from evolve.proposal import Context, Proposal, Selection
from evolve.runner import Flight, Runner, Workshop
from evolve.selectors import SELECTORS
from evolve.steering import Steering

TRIVIAL = str(Path(__file__).parent / "trivial")
SOURCE = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.25)\n"


def bare_fork() -> None:
    """Fork this process, run the candidate there, wait for its end."""
    child = os.fork()
    if child == 0:
        names: dict[str, object] = {}
        exec(compile(SOURCE, "<candidate>", "exec"), names)
        os._exit(0)
    os.waitpid(child, 0)


def judge(pool: EvaluationPool, key: int) -> None:
    pool.submit(Task(key=key, source=SOURCE, split=Split.TRAIN, block=0))
    while (finished := pool.next_finished(1.0)) is None:
        pass
    assert finished.evaluation is not None, finished.failure
    assert finished.evaluation.score == 50.0


def latency(count: int) -> None:
    """Medians in ms, the three ways interleaved so that they meet the same machine."""
    spec = WorkerSpec(problem=TRIVIAL, workload="1", secret=bytes(32))
    serial, ray = SerialPool(spec), RayPool(spec, workers=1)
    ways = {
        "bare fork": lambda key: bare_fork(),
        "serial pool": lambda key: judge(serial, key),
        "Ray pool": lambda key: judge(ray, key),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for key in range(count + 10):
        for name, way in ways.items():
            start = time.perf_counter()
            way(key)
            if key >= 10:
                times[name].append(1e3 * (time.perf_counter() - start))
    serial.close()
    ray.close()
    floor = statistics.median(times["bare fork"])
    print(f"{'way':>12} {'median ms':>10} {'p90 ms':>8} {'x bare fork':>12}   (n = {count})")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:>12} {middle:10.2f} {sorted(values)[int(0.9 * count)]:8.2f} {middle / floor:12.1f}")


class Scribe:
    """A proposer that costs nothing, so that the rest is what is measured; real ones are timed apart."""

    name = "scribe"

    def propose(self, selection: Selection, context: Context) -> Proposal:
        source = SOURCE.replace("0.25", repr(context.rng.random()))
        return Proposal(source=source, proposer="scribe", operator="write", parents=(selection.parent.number,))


class Stopwatch:
    """Notes when each evaluation was recorded."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        self.times.append(time.perf_counter())

    def say(self, text: str) -> None:
        print(text)

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """Nothing to show."""


def throughput(count: int, workers: int) -> None:
    """A whole search: selecting, screening, digesting, registering, judging, recording, telling."""
    problem, watch = load_problem(TRIVIAL, "1"), Stopwatch()
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"{folder}/a.db", create=True) as archive:
        run = archive.create_run(
            NewRun(name="bench", problem="trivial", digest=problem.digest, config={}, secret=bytes(32))
        )
        pool = RayPool(WorkerSpec(problem=TRIVIAL, workload="1", secret=bytes(32)), workers=workers)
        evolution = Evolution(
            problem,
            Steering({"adaptive": SELECTORS["adaptive"]()}),
            seed=0,
            known=lambda digest: archive.has_digest(run.id, digest),
            block_size=10**9,
        )
        budget = Budget(evaluations=count)
        workshop = Workshop(desk=InlineDesk(Scribe()), pool=pool)
        Runner(archive, run.id, evolution, workshop, budget=budget, observer=watch, clock=time.monotonic).search(
            lambda: False
        )
        pool.close()
    print(f"{'evaluation':>11} {'per second':>11} {'x first':>8}   ({workers} Ray workers, archive included)")
    first = 0.0
    for at in (200, 1000, 2000, 5000, 10000, 20000):
        if at > count:
            break
        span = watch.times[at - 150 : at]
        rate = (len(span) - 1) / (span[-1] - span[0])
        first = first or rate
        print(f"{at:11,} {rate:11.1f} {rate / first:8.2f}")
    print(f"{'whole run':>11} {(count - 1) / (watch.times[-1] - watch.times[0]):11.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="candidates for the latency (default 200)")
    parser.add_argument("--run", type=int, default=0, help="evaluations for the throughput (default: none)")
    parser.add_argument("--workers", type=int, default=2, help="Ray workers for the throughput (default 2)")
    options = parser.parse_args()
    if options.n:
        latency(options.n)
    if options.run:
        throughput(options.run, options.workers)


if __name__ == "__main__":
    main()
