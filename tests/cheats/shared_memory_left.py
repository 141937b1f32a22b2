r"""Leaves System V and POSIX memory, semaphores, queues and keys for the next workload to find.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ENOENT|ENOSYS)(, | \(line)){8}/
needs: seccomp

Tempts because a System V segment belongs to no process and no folder. Says so if one of an earlier process is there,
or if one can be made at all.
"""

import ctypes
import errno
import os
from multiprocessing import shared_memory

KEY, CREATE, SIZE = 0xE0E0, 0o1600, 4096
ADD_KEY = {"x86_64": 248, "aarch64": 217}[os.uname().machine]


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


def _named():
    shared_memory.SharedMemory("left_behind", create=True, size=SIZE).close()


def cheat(honest, arguments):
    ways = {
        "found": lambda: _call("shmget", KEY, SIZE, 0),
        "segment": lambda: _call("shmget", KEY, SIZE, CREATE),
        "semaphores": lambda: _call("semget", KEY, 1, CREATE),
        "queue": lambda: _call("msgget", KEY, CREATE),
        "posix_queue": lambda: _call("mq_open", b"/left", os.O_CREAT | os.O_RDWR, 0o600, None),
        "posix_memory": _named,
        "file": lambda: os.close(os.memfd_create("left")),
        "key": lambda: _call("syscall", ADD_KEY, b"user", b"left", b"x", 1, -3),
    }
    _try_all(ways)
    return honest(**arguments)
