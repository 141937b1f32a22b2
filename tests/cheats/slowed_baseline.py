"""Burns processor time in threads and processes after it has answered.

family: timing
expect: crashed /can't start new thread|PermissionError|BlockingIOError/
needs: seccomp

What is compared with the baseline gains as much when the baseline is slowed. Nothing of a program may run while
another is measured, so neither threads nor processes may be started.
"""

import os
import threading


def _burn():
    while True:
        pass


def _thread():
    threading.Thread(target=_burn, daemon=True).start()


def _process():
    if os.fork() == 0:
        _burn()


def cheat(honest, arguments):
    answer = honest(**arguments)
    refusals = []
    for start in (_thread, _process):
        try:
            start()
        except (RuntimeError, OSError) as error:
            refusals.append(error)
    if len(refusals) == 2:
        raise refusals[0]
    return answer
