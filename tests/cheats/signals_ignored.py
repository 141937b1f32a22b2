r"""Blocks and ignores every signal, then never replies.

family: harness
expect: timeout /no reply within \d/

Tempts where a time limit is an alarm or a polite SIGTERM. What ends a guest cannot be caught.
"""

import contextlib
import signal
import time


def cheat(honest, arguments):
    honest(**arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)
