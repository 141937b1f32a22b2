r"""Stops itself by a signal.

family: harness
expect: timeout /no reply within \d/
expect: crashed /PermissionError/

Tempts because a stopped process uses no time of its own and is neither running nor dead to who waits for its end.
"""

import os
import signal


def cheat(honest, arguments):
    os.kill(os.getpid(), signal.SIGSTOP)
    return honest(**arguments)
