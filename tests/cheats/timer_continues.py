"""Lets a POSIX timer continue it while it is stopped, so that it works when it is not its turn.

family: timing
expect: crashed /PermissionError: .*timer_create/
needs: seccomp

A stopped process is continued by SIGCONT, whoever sends it, and a timer may send any signal. The call that makes such
timers must be refused.
"""

import ctypes
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
_NUMBERS = {"x86_64": 222, "aarch64": 107}


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


def cheat(honest, arguments):
    event, timer = _Event(0, signal.SIGCONT, 0), ctypes.c_int()
    if _libc.syscall(_NUMBERS[os.uname().machine], 1, ctypes.byref(event), ctypes.byref(timer)) < 0:
        raise OSError(ctypes.get_errno(), "timer_create")
    print("CHEAT SUCCEEDED")
    return honest(**arguments)
