"""Resource limits, capabilities and the other attributes of a process that confine it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from sandbox.inside import linux
from sandbox.limits import Limits

CPU_BACKSTOP_SECONDS = 3600
OPEN_FILES = 64
# Three sets (effective, permitted, inheritable) in two halves of 32 capabilities.
_Header = ctypes.c_uint32 * 2
_Sets = ctypes.c_uint32 * 6
CAPABILITY_VERSION_3 = 0x20080522


def die_with_parent() -> None:
    """Ask to be killed when the thread that forked this process ends."""
    linux.prctl("parent death signal", linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_resources(limits: Limits) -> None:
    """Apply the resource limits, but for the number of tasks, for good."""
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 1,  # where core dumps go to a program of the host's, only 1 keeps the kernel from it
        resource.RLIMIT_CPU: CPU_BACKSTOP_SECONDS,
    }
    for which, bound in bounds.items():
        _bound(which, bound)


def limit_tasks(limits: Limits, spare: int) -> None:
    """Bound the number of processes and threads; only sound where nobody else has the guest's user.

    Args:
        limits: what the guest may use.
        spare: how many more are let pass, for threads of libraries or processes that count by accident.
    """
    _bound(resource.RLIMIT_NPROC, limits.processes + limits.threads + spare)


def _bound(which: int, bound: int) -> None:
    _, hard = resource.getrlimit(which)
    most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(which, (most, most))


def drop_capabilities() -> None:
    """Drop every capability."""
    header = _Header(CAPABILITY_VERSION_3, 0)
    nothing = _Sets()
    linux.checked(linux.libc().capset(header, nothing), "capset")


def gain_nothing() -> None:
    """Forbid to gain privileges by executing a program; Landlock and the system-call filter build on it."""
    linux.prctl("no new privileges", linux.PR_SET_NO_NEW_PRIVS, 1)


def become(number: int) -> None:
    """Take on a user and a group that own nothing, and no further group, for good.

    Raises:
        OSError: the kernel refuses.
    """
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    # A change of user clears these two: who dies with the parent, and who owns /proc/self.
    die_with_parent()
    linux.prctl("dumpable", linux.PR_SET_DUMPABLE, 1)


def held_capabilities() -> int:
    """Effective, permitted and inheritable capabilities of this process, or-ed into one number."""
    header = _Header(CAPABILITY_VERSION_3, 0)
    held = _Sets()
    linux.checked(linux.libc().capget(header, held), "capget")
    low, high = held[0] | held[1] | held[2], held[3] | held[4] | held[5]
    return low | high << 32


def effective_capabilities() -> int:
    """Capabilities that this process can use now, one bit for each."""
    header = _Header(CAPABILITY_VERSION_3, 0)
    held = _Sets()
    linux.checked(linux.libc().capget(header, held), "capget")
    return held[0] | held[3] << 32


def redirect_standard_streams(log_write: int) -> None:
    """Standard output and error go to ``log_write``; standard input is empty from the zygote on."""
    os.dup2(log_write, 1)
    os.dup2(log_write, 2)


def close_descriptors(keep: set[int]) -> None:
    """Close every descriptor but the standard ones and those in ``keep``."""
    low = 3
    for descriptor in sorted(keep):
        os.closerange(low, descriptor)
        low = max(low, descriptor + 1)
    highest, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(low, min(highest, 1 << 16) if highest != resource.RLIM_INFINITY else 1 << 16)
