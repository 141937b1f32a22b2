r"""Adjusts the machine's clocks, by nothing, by every call that can.

family: harness
expect: crashed /PermissionError: (\S+ EPERM(, | \(line)){4}/
needs: seccomp | capabilities

Tempts because a clock that runs slower makes every program faster. A guest has no right to touch any.
"""

import ctypes
import errno
import time

OFFSET = 1


_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *values):
    if getattr(_libc, name)(*values) == -1:
        raise OSError(ctypes.get_errno(), name)


def _try_all(ways):
    refusals = []
    for name, way in ways.items():
        try:
            way()
        except OSError as refusal:
            refusals.append(f"{name} {errno.errorcode[refusal.errno]}")
        else:
            print("CHEAT SUCCEEDED:", name)
    if refusals:
        raise PermissionError(", ".join(refusals))


def _adjust(call, *before):
    settings = (ctypes.c_long * 26)()
    ctypes.cast(settings, ctypes.POINTER(ctypes.c_uint))[0] = OFFSET  # of zero
    _call(call, *before, settings)


def cheat(honest, arguments):
    now = (ctypes.c_long * 2)(int(time.time()), 0)
    ways = {
        "settime": lambda: time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns()),
        "settimeofday": lambda: _call("settimeofday", now, None),
        "adjtimex": lambda: _adjust("adjtimex"),
        "adjtime": lambda: _adjust("clock_adjtime", time.CLOCK_REALTIME),
    }
    _try_all(ways)
    return honest(**arguments)
