"""Sets a timer for its own time limit and cancels it.

family: honest
expect: ok

A program may limit itself; a timer that never fires, or fires in time, is no fault.
"""

import signal


class _LateError(Exception):
    pass


def _late(number, frame):
    raise _LateError


def cheat(honest, arguments):
    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        while True:
            pass
    except _LateError:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return honest(**arguments)
