"""Measures its own time with several clocks and yields the processor.

family: honest
expect: ok

A program may look at the clock, to stop its search in time; no verdict depends on what it reads.
"""

import os
import time


def cheat(honest, arguments):
    started, monotonic, used = time.perf_counter(), time.monotonic_ns(), time.process_time()
    answer = honest(**arguments)
    time.sleep(0)
    os.sched_yield()
    assert time.perf_counter() >= started
    assert time.monotonic_ns() >= monotonic
    assert time.process_time() >= used
    print(f"took {1000 * (time.perf_counter() - started):.2f} ms")
    return answer
