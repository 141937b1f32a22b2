"""Burns processor time in the handler of a timer, until it is asked the next question.

family: timing
expect: ok
needs: timed

Without any thread, the handler of a signal runs while the program waits for the next call: it slows what is measured
meanwhile, or goes on with its own work unseen. Where time is compared, a program must rest until it is asked.
"""

import os
import select
import signal
import stat
import time

_channels = []


def _is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _burn(number, frame):
    while frame is not None and frame.f_code.co_name != "receive":
        frame = frame.f_back
    if frame is None:  # the answer has not left yet
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        return
    until = time.monotonic() + 0.05  # in case that the question is here already, and half read
    while time.monotonic() < until and not select.select(_channels, [], [], 0)[0]:
        sum(range(1000))


def cheat(honest, arguments):
    signal.setitimer(signal.ITIMER_REAL, 0)
    if not _channels:
        _channels.extend(filter(_is_socket, range(64)))
        signal.signal(signal.SIGALRM, _burn)
    answer = honest(**arguments)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    return answer
