"""Thousands of hostile candidates in a row: what is left of them, and what honest ones cost before and after.

    python bench/hostile_stream.py --n 2000                    one sandbox in this process
    python bench/hostile_stream.py --n 500 --pool ray          two Ray workers
    python bench/hostile_stream.py --n 200 --confined          a problem that allows no processes or threads

Fork bombs, orphans, memory and disk bombs, signal blockers, floods and others take turns; without --confined the
problem lets a program start eight processes and four threads, so that the sandbox has more to contain. The static
screen is off. Afterwards honest candidates are timed in turns with a sandbox of the same age that met no hostile one.
Exit 1 if anything is left, or if they take more than a tenth longer there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from evaluators.host import usable_cpus
from evaluators.judge import SCREEN, Judge
from evaluators.model import Evaluation, Split
from evaluators.registry import load_problem
from evaluators.serial import SerialPool
from evaluators.tasks import EvaluationPool, Task, WorkerSpec, make_clock
from sandbox import adopting_orphans, descendants

BENCH = Path(__file__).parent
TURNS = 10
HONEST = "import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.25)\n"
KINDS = {
    "fork bomb": """
import os
def answer(size):
    while True:
        os.fork()
""",
    "fork bomb that survives refusal": """
import os
def answer(size):
    while True:
        try:
            os.fork()
        except OSError:
            pass
""",
    "orphan in a session of its own": """
import os, time
def answer(size):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    os.wait()
""",
    "orphan that holds the channel": """
import os, time
def answer(size):
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
""",
    "thread bomb": """
from threading import Timer
def answer(size):
    while True:
        Timer(99, print).start()
""",
    "memory bomb": """
def answer(size):
    kept = []
    while True:
        kept.append(bytearray(1 << 22))
""",
    "memory bomb of several processes": """
import os, time
def answer(size):
    for _ in range(6):
        if os.fork() == 0:
            kept = bytearray(b'x') * (400 << 20)
            time.sleep(1000)
    time.sleep(1000)
""",
    "disk bomb": """
def answer(size):
    n = 0
    while True:
        n += 1
        open(str(n), 'wb').write(bytes(8 << 20))
""",
    "disk bomb of tiny files": """
def answer(size):
    n = 0
    while True:
        n += 1
        open(str(n), 'w').close()
""",
    "signal blocker": """
import signal
def answer(size):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        pass
""",
    "signal ignorer in a child": """
import os, signal
def answer(size):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    os.fork()
    while True:
        pass
""",
    "output flood": """
def answer(size):
    while True:
        print('x' * 100000)
""",
    "reply flood": """
import numpy as np
def answer(size):
    return np.zeros(1 << 24)
""",
    "descriptor flood": """
import os
for number in range(3, 64):
    try:
        os.write(number, b'x' * 65536)
    except OSError:
        pass
def answer(size):
    return None
""",
    "shared memory": """
from multiprocessing import shared_memory
def answer(size):
    shared_memory.SharedMemory('left', create=True, size=1 << 20)
""",
    "System V memory": """
import ctypes
def answer(size):
    if ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) >= 0:
        print('made')
""",
    "segmentation fault": """
import ctypes
def answer(size):
    ctypes.string_at(0)
""",
    "kills everybody": """
import os
def answer(size):
    os.kill(-1, 9)
""",
    "stops itself": """
import os, signal
def answer(size):
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    "deep folders": """
import os
def answer(size):
    while True:
        os.mkdir('x')
        os.chdir('x')
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscreened(WorkerSpec):
    """Builds a judge without the static screen, which would turn most of these away."""

    def judge(self, cpu: int | None = None) -> Judge:
        problem = load_problem(self.problem, self.workload)
        return Judge(problem, secret=self.secret, clock=make_clock(self.clock), cpu=cpu, off=frozenset({SCREEN}))


def make_pool(kind: str, spec: WorkerSpec) -> EvaluationPool:
    if kind == "serial":
        return SerialPool(spec, cpu=usable_cpus()[-1])
    from evaluators.pool import RayPool  # noqa: PLC0415 - where Ray is missing the serial pool still works

    return RayPool(spec, workers=2)


def judge_all(pool: EvaluationPool, sources: list[str]) -> tuple[list[Evaluation], list[float]]:
    """Evaluations in the order of the sources, and when each came back."""
    found: dict[int, Evaluation] = {}
    stamps = []
    waiting = list(enumerate(sources))
    flying = 0
    while waiting or flying:
        while waiting and flying < pool.slots:
            key, source = waiting.pop(0)
            pool.submit(Task(key=key, source=source, split=Split.TRAIN, block=0))
            flying += 1
        finished = pool.next_finished(1.0)
        if finished is None:
            continue
        flying -= 1
        assert finished.evaluation is not None, finished.failure
        found[finished.key] = finished.evaluation
        stamps.append(time.perf_counter())
    return [found[key] for key in range(len(sources))], stamps


def honest_seconds(pool: EvaluationPool, count: int) -> float:
    """Median time between two honest candidates."""
    evaluations, stamps = judge_all(pool, [HONEST] * count)
    assert all(evaluation.score == 50.0 for evaluation in evaluations), evaluations[0]
    return statistics.median(after - before for before, after in pairwise(stamps))


def compare_honest(pool: EvaluationPool, control: EvaluationPool, count: int) -> tuple[float, float]:
    """Honest candidates a second in this pool, and its time as a multiple of the control's, in turns A B B A."""
    ours, theirs = [], []
    for turn in range(TURNS):
        pairs = ((pool, ours), (control, theirs))
        for which, times in pairs if turn % 2 else pairs[::-1]:
            times.append(honest_seconds(which, count // TURNS))
    return 1 / statistics.median(ours), statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def traces() -> dict[str, set[str]]:
    """What a machine has of the things that candidates might leave behind, by name."""
    found = {
        "process": {str(pid) for pid in descendants(os.getpid())},
        "temporary file": {entry.name for entry in Path(tempfile.gettempdir()).iterdir()},
        "shared memory": {entry.name for entry in Path("/dev/shm").iterdir()},
        "mount": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "descriptor": {entry.name for entry in Path("/proc/self/fd").iterdir()},
        "cgroup": {str(path) for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir()},
    }
    for kind in ("shm", "sem", "msg"):
        found[f"System V {kind}"] = set(Path(f"/proc/sysvipc/{kind}").read_text().splitlines())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="hostile candidates (default 2000)")
    parser.add_argument("--honest", type=int, default=200, help="honest candidates before and after (default 200)")
    parser.add_argument("--pool", choices=["serial", "ray"], default="serial")
    parser.add_argument("--confined", action="store_true", help="a problem that allows no processes or threads")
    options = parser.parse_args()
    problem = str(BENCH / ("trivial" if options.confined else "hostile"))
    pool = make_pool(options.pool, Unscreened(problem=problem, workload="1", secret=bytes(32)))
    control = make_pool("serial", Unscreened(problem=problem, workload="1", secret=bytes(32)))
    for warm in (pool, control):
        honest_seconds(warm, 20)
    (rate_before, ratio_before), left_before = compare_honest(pool, control, options.honest), traces()
    names = [list(KINDS)[index % len(KINDS)] for index in range(options.n)]
    started = time.perf_counter()
    evaluations, _ = judge_all(pool, [KINDS[name] for name in names])
    took = time.perf_counter() - started
    (rate_after, ratio_after), left_after = compare_honest(pool, control, options.honest), traces()
    pool.close()
    control.close()
    outcomes: dict[str, Counter[str]] = {}
    seconds: dict[str, list[float]] = {}
    for name, evaluation in zip(names, evaluations, strict=True):
        outcomes.setdefault(name, Counter())[evaluation.outcome.value] += 1
        seconds.setdefault(name, []).append(evaluation.seconds)
    print(f"{'hostile candidate':36} {'outcomes':40} {'median ms':>10}")
    for name, counted in outcomes.items():
        told = ", ".join(f"{outcome} {count}" for outcome, count in counted.most_common())
        print(f"{name:36} {told:40} {1000 * statistics.median(seconds[name]):10.1f}")
    print(f"\nhonest candidates a second: before {rate_before:.1f}, after {rate_after:.1f}")
    print(f"time of one beside a sandbox that met no hostile one: {ratio_before:.3f} before, {ratio_after:.3f} after")
    print(
        f"hostile candidates a second {options.n / took:.1f} ({options.n} in {took:.0f} s, limits of time waited for)"
    )
    scored = sum(counted["ok"] for counted in outcomes.values())
    left = [f"{kind} {name}" for kind, names in left_after.items() for name in names - left_before[kind]]
    print(f"with a score: {scored}; left behind: {', '.join(left) or 'nothing'}")
    return int(bool(scored or left) or ratio_after > 1.1 * ratio_before)


if __name__ == "__main__":
    with adopting_orphans():  # what escapes from a sandbox shows below this process
        sys.exit(main())
