"""What a sandbox costs for each candidate, layer by layer, beside a bare fork of a warm process.

    python bench/sandbox_cost.py --n 200 --cpu 1

Medians over n candidates in milliseconds, all ways interleaved in one run. The candidate multiplies a (2, 3)
array; a sandbox opens, loads it, calls it twice and closes. Every step has the layers of the steps above it. The
first has none: the difference to the bare fork is the warm process itself, the channel and the cleaning up, which
without a pid namespace means a walk through ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import numpy as np

from sandbox import Buffer, Ending, Layer, Limits, Sandbox, Session

SOURCE = "import numpy as np\ndef f(x, k):\n    return x * k\n"
ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)
ARGUMENT = Buffer(dtype="<f4", shape=ARRAY.shape, data=ARRAY.tobytes())
TARGET_MILLISECONDS = 5.0
# What each step adds; "own /proc" and the rest of the private root come with the mount namespace.
STEPS: dict[str, set[Layer]] = {
    "no layer": set(),
    "+ limits, no privileges": {
        Layer.NO_NEW_PRIVILEGES,
        Layer.CAPABILITIES,
        Layer.RESOURCE_LIMITS,
        Layer.PROCESS_COUNT,
    },
    "+ seccomp": {Layer.SECCOMP},
    "+ Landlock": {Layer.LANDLOCK},
    "+ user, network, ipc, uts ns": {
        Layer.USER_NAMESPACE,
        Layer.NETWORK_NAMESPACE,
        Layer.IPC_NAMESPACE,
        Layer.UTS_NAMESPACE,
    },
    "+ pid ns": {Layer.PID_NAMESPACE},
    "+ private root, own /proc": {Layer.MOUNT_NAMESPACE, Layer.OWN_PROC, Layer.HIDDEN_PROCESSES},
    "+ user of their own": {Layer.ORDINARY_USER},
    "+ cgroup": {Layer.CGROUP_MEMORY, Layer.CGROUP_TASKS, Layer.CGROUP_CPU},
}


def bare_fork() -> None:
    """Fork this process, run the candidate there, take its bytes from a pipe."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        names: dict[str, Callable[..., np.ndarray]] = {}
        exec(compile(SOURCE, "<candidate>", "exec"), names)
        os.write(write, names["f"](ARRAY, 2).tobytes())
        os._exit(0)
    os.close(write)
    assert len(os.read(read, 1000)) == ARRAY.nbytes
    os.close(read)
    os.waitpid(child, 0)


def timed(times: dict[str, list[float]], name: str, work: Callable[[], object]) -> object:
    start = time.perf_counter()
    result = work()
    times.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
    return result


def call(session: Session) -> None:
    result = session.call({"x": ARGUMENT, "k": 2}, timeout_seconds=10)
    assert result.ending is Ending.REPLIED, result


def one_candidate(sandbox: Sandbox, phases: dict[str, list[float]]) -> None:
    session = timed(phases, "open and load", lambda: sandbox.open(SOURCE, "f", Limits()))
    assert isinstance(session, Session)
    timed(phases, "first call", lambda: call(session))
    timed(phases, "second call", lambda: call(session))
    timed(phases, "close", session.close)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="candidates to run (default 100)")
    parser.add_argument("--cpu", type=int, default=None, help="pin the sandboxes to this processor")
    options = parser.parse_args()
    totals: dict[str, list[float]] = {}
    starts: dict[str, list[float]] = {}
    phases: dict[str, dict[str, list[float]]] = {name: {} for name in STEPS}
    sandboxes: dict[str, Sandbox] = {}
    with ExitStack() as stack:
        present: set[str] = set()
        for name, added in STEPS.items():
            present |= added
            left_out = frozenset(set(Layer) - present)
            start = partial(Sandbox, preload=("numpy",), array_module="numpy", cpu=options.cpu, leave_out=left_out)
            sandbox = timed(starts, name, start)
            assert isinstance(sandbox, Sandbox)
            sandboxes[name] = stack.enter_context(sandbox)
        for _ in range(options.n):
            timed(totals, "bare fork", bare_fork)
            for name, sandbox in sandboxes.items():
                timed(totals, name, partial(one_candidate, sandbox, phases[name]))
        report(totals, starts, phases, sandboxes)


def report(
    totals: dict[str, list[float]],
    starts: dict[str, list[float]],
    phases: dict[str, dict[str, list[float]]],
    sandboxes: dict[str, Sandbox],
) -> None:
    full = list(STEPS)[-1]
    for layer, state in sandboxes[full].layers.items():
        print(f"{layer:30} {state}")
    bare = statistics.median(totals["bare fork"])
    print(f"\n{'ms, median of ' + str(len(totals['bare fork'])):30} {'total':>8} {'- fork':>8} {'step':>8}")
    before = bare
    for name, values in totals.items():
        median = statistics.median(values)
        print(f"{name:30} {median:8.2f} {median - bare:8.2f} {median - before:8.2f}")
        before = median
    print("\nfull isolation by phase")
    for phase, values in phases[full].items():
        print(f"  {phase:28} {statistics.median(values):8.2f}")
    print(f"  {'start of the zygote, once':28} {starts[full][0]:8.2f}")
    above = statistics.median(totals[full]) - bare
    word = "met" if above <= TARGET_MILLISECONDS else "missed"
    print(f"\nfull isolation: {above:.2f} ms above a bare fork; target at most {TARGET_MILLISECONDS:g} ms: {word}")


if __name__ == "__main__":
    main()
