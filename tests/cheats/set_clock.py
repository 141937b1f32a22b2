"""Sets the machine's clock to the time that it shows already, which shows that it could turn it back.

family: timing
expect: crashed /(PermissionError|OSError).*(not permitted|refused)/
needs: seccomp | capabilities

Where the judge uses a clock that can be set, or slewed, the program decides how long it took. Neither may be allowed.
"""

import ctypes
import os
import time

_libc = ctypes.CDLL(None, use_errno=True)


class _Timex(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("frequency", ctypes.c_long),
                ("rest", ctypes.c_long * 40))  # fmt: skip


def _set():
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))


def _slew():
    state = _Timex()
    if _libc.adjtimex(ctypes.byref(state)) < 0:  # only reads, and is refused all the same or shows the frequency
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    state.modes = 2  # ADJ_FREQUENCY, to what it is
    if _libc.adjtimex(ctypes.byref(state)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def cheat(honest, arguments):
    refusals = []
    for way in (_set, _slew):
        try:
            way()
        except OSError as error:
            refusals.append(error)
    if len(refusals) == 2:
        raise refusals[-1]
    print("CHEAT SUCCEEDED")
    return honest(**arguments)
