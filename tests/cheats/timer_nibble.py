r"""Takes the processor for a tenth of a millisecond after each answer, from the handler of a timer.

family: timing
expect: ok
needs: timed

As little as a judge that only watches the use of the processor would take for the freeing of memory, and well placed:
when the baseline has just begun. A program must not run at all when it is not its turn.
"""

import signal
import time


def _nibble(number, frame):
    while frame is not None and frame.f_code.co_name != "receive":
        frame = frame.f_back
    if frame is None:  # the answer has not left yet
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        return
    until = time.perf_counter() + 0.0001
    while time.perf_counter() < until:
        pass


def cheat(honest, arguments):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, _nibble)
    answer = honest(**arguments)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    return answer
