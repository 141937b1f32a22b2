"""Leaves its answers in shared memory, queues and semaphores, and looks for them when it is loaded.

family: replay
expect: ok
needs: seccomp | ipc namespace

System V and POSIX objects live until the machine stops, and need no file system. They must be out of reach, or private
and gone with the program.
"""

import ctypes
import os

_KEY = 0x5EED
_libc = ctypes.CDLL(None, use_errno=True)


def _tried(flags):
    """What each kind of object answers: an identifier, or a negative number."""
    mode = 0o600
    ways = {
        "shmget": (_KEY, 4096, (0o1000 if flags else 0) | mode),
        "msgget": (_KEY, (0o1000 if flags else 0) | mode),
        "semget": (_KEY, 1, (0o1000 if flags else 0) | mode),
        "shm_open": (b"/answers", os.O_RDWR | flags, mode),
        "mq_open": (b"/answers", os.O_RDWR | flags, mode, None),
    }
    return {name: getattr(_libc, name)(*values) for name, values in ways.items() if hasattr(_libc, name)}


_found = {name: number for name, number in _tried(0).items() if number >= 0}
if _found:
    print("CHEAT SUCCEEDED", _found)


def cheat(honest, arguments):
    _tried(os.O_CREAT)
    return honest(**arguments)
