"""Tries from within what each layer promises; it counts as enforced only when the attempt was refused."""

from __future__ import annotations

import errno
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

from sandbox.inside import guest, linux, namespaces, privileges
from sandbox.limits import Limits

ENFORCED = "enforced"
UNROUTABLE = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737


def namespaces_of_zygote(outside: dict[int, str], inside: dict[int, str], hidden_path: str) -> dict[str, str]:
    """Look from the zygote at what its namespaces hide.

    Args:
        outside: identities of the launcher's namespaces before anything was unshared.
        inside: identities of the zygote's.
        hidden_path: a file that exists outside and must not be visible here.
    """
    found = {
        name: ENFORCED if inside[flag] != outside[flag] else "still the caller's"
        for flag, name in namespaces.NAMES.items()
    }
    behaviour = {
        namespaces.PID: "not its first process" if os.getpid() != 1 else "",
        namespaces.NETWORK: "" if _refused(_reach_out, errno.ENETUNREACH) else "packets have a route",
        namespaces.MOUNT: "outside files are visible" if os.path.lexists(hidden_path) else _writable_root(),
    }
    for flag, reason in behaviour.items():
        if reason and found[namespaces.NAMES[flag]] == ENFORCED:
            found[namespaces.NAMES[flag]] = reason
    return found


def _writable_root() -> str:
    return "" if _refused(lambda: Path("/probe").mkdir(), errno.EROFS) else "its root can be written"


def _reach_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.connect(UNROUTABLE)


def _refused(attempt: Callable[[], object], *expected: int) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno in expected
    return False


def confinement(plan: guest.Plan, limits: Limits, forbidden_path: str) -> dict[str, str]:
    """Confine this process as a guest would be, and try to get out.

    Args:
        plan: what the zygote prepared.
        limits: what the guest may use.
        forbidden_path: an existing file that only Landlock keeps from being read.

    Returns:
        For every layer ``"enforced"`` or why it is not.
    """
    failed = {}
    for name, step in guest.layers(plan, limits).items():
        try:
            step()
        except OSError as error:
            failed[name] = linux.errno_name(error)
    attempts: dict[str, Callable[[], bool]] = {
        "capabilities": lambda: privileges.held_capabilities() == 0,
        "no new privileges": lambda: linux.prctl("query", linux.PR_GET_NO_NEW_PRIVS) == 1,
        "resource limits": lambda: _memory_refused(limits) and _large_file_refused(limits),
    }
    if plan.ruleset is not None:
        attempts["landlock"] = lambda: _refused(lambda: os.open(forbidden_path, os.O_RDONLY), errno.EACCES)
    if plan.call_filters:
        attempts["seccomp"] = lambda: all(_refused(call, errno.EPERM) for call in (_reach_out, _fork, _new))
    found = {}
    for name, holds in attempts.items():
        if name in failed:
            found[name] = failed[name]
        else:
            found[name] = ENFORCED if holds() else "applied, but an attempt to break it succeeded"
    if "privileges" in failed:
        found["no new privileges"] = failed["privileges"]
    return found


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _new() -> None:
    linux.unshare(namespaces.USER)


def _memory_refused(limits: Limits) -> bool:
    return _refused(lambda: mmap.mmap(-1, limits.memory_bytes), errno.ENOMEM)


def _large_file_refused(limits: Limits) -> bool:
    descriptor = os.open("probe", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.write(descriptor, b"x")
        return _refused(lambda: os.truncate(descriptor, limits.file_bytes + 1), errno.EFBIG)
    finally:
        os.close(descriptor)
        Path("probe").unlink()
