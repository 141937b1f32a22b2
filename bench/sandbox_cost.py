"""What a sandbox costs for each candidate: a bare fork of a warm process beside the same with every layer.

    python bench/sandbox_cost.py --n 200 --cpu 1

Medians over n candidates in milliseconds, the two ways interleaved. The candidate multiplies a (2, 3) array.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from sandbox import Buffer, Ending, Limits, Sandbox, Session

SOURCE = "import numpy as np\ndef f(x, k):\n    return x * k\n"
ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="candidates to run (default 100)")
    parser.add_argument("--cpu", type=int, default=None, help="pin the sandbox to this processor")
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    argument = Buffer(dtype="<f4", shape=ARRAY.shape, data=ARRAY.tobytes())

    def call(session: Session) -> None:
        result = session.call({"x": argument, "k": 2}, timeout_seconds=10)
        assert result.ending is Ending.REPLIED, result

    start = time.perf_counter()
    with Sandbox(preload=("numpy",), array_module="numpy", cpu=options.cpu) as sandbox:
        started = (time.perf_counter() - start) * 1e3
        for _ in range(options.n):
            timed(times, "bare fork", bare_fork)
            begin = time.perf_counter()
            session = timed(times, "  open and load", lambda: sandbox.open(SOURCE, "f", Limits()))
            assert isinstance(session, Session)
            timed(times, "  first call", lambda session=session: call(session))
            timed(times, "  second call", lambda session=session: call(session))
            timed(times, "  close", session.close)
            times.setdefault("sandbox, open to close", []).append((time.perf_counter() - begin) * 1e3)
        for layer, state in sorted(sandbox.layers.items()):
            print(f"{layer:24} {state}")
    print(f"\n{'zygote start':24} {started:8.2f} ms")
    for name, values in times.items():
        print(f"{name:24} {statistics.median(values):8.2f} ms")


if __name__ == "__main__":
    main()
