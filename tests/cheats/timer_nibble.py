r"""Takes the processor for a tenth of a millisecond after each answer, from the handler of a timer.

family: timing
expect: ok
expect: cheated /% of the processor while the baseline was timed/

As much as a judge may take for the freeing of memory, and well placed: when the baseline has just begun. What is let
pass must not be worth more than the noise.
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
