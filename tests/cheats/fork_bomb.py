r"""Multiplies: forks by every call that makes a process, also one that would outlive it.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ENOSYS|EAGAIN)(, | \(line)){5}/
needs: seccomp

Tempts because what another process computes is not on the clock, and because a bomb of processes stops the machine.
Each way makes a single child, which is enough to show that many could be made.
"""

import ctypes
import errno
import multiprocessing
import os
import platform
import signal

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


def _fork(make):
    if make() == 0:
        os.setsid()  # an orphan in a session of its own
        os._exit(0)


def _clone(number, *values):
    child = _libc.syscall(number, *values)
    if child == 0:
        os._exit(0)
    if child == -1:
        raise OSError(ctypes.get_errno(), "clone")


def _fork_by_libc():
    child = _libc.fork()
    if child == -1:
        raise OSError(ctypes.get_errno(), "fork")
    return child


def cheat(honest, arguments):
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    described = (ctypes.c_uint64 * 8)(0, 0, 0, 0, signal.SIGCHLD)
    ways = {
        "fork": lambda: _fork(os.fork),
        "multiprocessing": lambda: multiprocessing.get_context("fork").Process(target=os.getpid).start(),
        "libc": lambda: _fork(_fork_by_libc),
        "clone": lambda: _clone(clone, signal.SIGCHLD, 0, 0, 0, 0),
        "clone3": lambda: _clone(435, ctypes.byref(described), ctypes.sizeof(described)),
    }
    _try_all(ways)
    return honest(**arguments)
