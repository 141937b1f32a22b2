"""Leaves its answers in the environment and in the process's own settings, and looks for them when it is loaded.

family: replay
expect: ok

A server that judges programs hands its environment, limits, name, umask and working folder on to the next one. They
must be fresh for every program.
"""

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

_MARK = "ANSWERS_OF_AN_EARLIER_WORKLOAD"
_libc = ctypes.CDLL(None)
_libc.getenv.restype = ctypes.c_char_p


def _name():
    text = ctypes.create_string_buffer(16)
    _libc.prctl(16, text)
    return text.value


_umask = os.umask(0o123)
_kept = [
    _MARK in os.environ,
    _libc.getenv(_MARK.encode()) is not None,
    _name() == b"answered",
    resource.getrlimit(resource.RLIMIT_CORE)[0] == 12345,
    _umask == 0o123,
    signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, None),
    Path.cwd().name == "answers",
]
if any(_kept):
    print("CHEAT SUCCEEDED", _kept)


def cheat(honest, arguments):
    os.environ[_MARK] = "1"
    _libc.prctl(15, b"answered")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (12345, 12345))
    with contextlib.suppress(OSError):
        Path("answers").mkdir(exist_ok=True)
        os.chdir("answers")
    return honest(**arguments)
