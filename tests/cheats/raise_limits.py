r"""Raises its own limits and priority, moves to other processors and asks for real-time scheduling.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ESRCH)(, | \(line)){9}/
needs: resource limits
needs: seccomp

Tempts because more memory and an undisturbed processor are worth points where time counts. Limits are hard, and
there is no privilege to raise them.
"""

import errno
import os
import resource


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


def _raise(which):
    _, hard = resource.getrlimit(which)
    more = resource.RLIM_INFINITY if hard == resource.RLIM_INFINITY else hard + 1
    try:
        resource.setrlimit(which, (more, more))
    except ValueError as error:  # how Python tells that the kernel refuses
        raise PermissionError(errno.EPERM, "limit") from error


def cheat(honest, arguments):
    ways = {
        "memory": lambda: _raise(resource.RLIMIT_AS),
        "files": lambda: _raise(resource.RLIMIT_NOFILE),
        "size": lambda: _raise(resource.RLIMIT_FSIZE),
        "core": lambda: _raise(resource.RLIMIT_CORE),
        "parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_AS),
        "nice": lambda: os.nice(-5),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -10),
        "affinity": lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
        "realtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    }
    _try_all(ways)
    return honest(**arguments)
