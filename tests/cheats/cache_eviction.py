"""Flushes the processor's caches for a moment after each answer, from the handler of a timer.

family: timing
expect: ok
needs: timed

The processor is used so briefly that it looks like rest, but whoever is measured next finds nothing in the caches.
The order of calls must be such that this gains nothing, or the moment be too short.
"""

import signal

import numpy as np

_waste = np.ones(1 << 19)  # 4 MB


def _flush(number, frame):
    while frame is not None and frame.f_code.co_name != "receive":
        frame = frame.f_back
    if frame is None:  # the answer has not left yet
        signal.setitimer(signal.ITIMER_REAL, 0.0002)
        return
    _waste[:: 64 // _waste.itemsize] += 1


def cheat(honest, arguments):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, _flush)
    answer = honest(**arguments)
    signal.setitimer(signal.ITIMER_REAL, 0.0002)
    return answer
