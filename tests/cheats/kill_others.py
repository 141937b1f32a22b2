r"""Sends signals to its parent, to the first process, to its group and to everybody.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|ESRCH|EACCES)(, | \(line)){7}/
needs: seccomp

Tempts because a judge that is dead refuses nothing, and a stopped one measures other times. Group and everybody get
signal 0 only, which needs the same right and hurts nobody where this works.
"""

import errno
import os
import signal


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


def _by_descriptor(pid):
    signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)


def cheat(honest, arguments):
    parent = os.getppid()
    ways = {
        "next": lambda: os.kill(os.getpid() + 1, signal.SIGSTOP),
        "before": lambda: os.kill(os.getpid() - 1, signal.SIGSTOP),
        "group": lambda: os.killpg(0, 0),
        "everybody": lambda: os.kill(-1, 0),
        "first": lambda: os.kill(1, signal.SIGKILL),
        "descriptor": lambda: _by_descriptor(parent),
        "parent": lambda: os.kill(parent, signal.SIGKILL),
    }
    _try_all(ways)
    return honest(**arguments)
