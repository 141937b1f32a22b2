"""Tries from within what each layer promises; it counts as enforced only when the attempt was refused."""

from __future__ import annotations

import errno
import importlib
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox.inside import cgroups, guest, linux, namespaces, privileges
from sandbox.layers import ENFORCED, Layer
from sandbox.limits import Limits

RARE_MODULE = "colorsys"
TOUCHED_BYTES = 4 << 20
UNROUTABLE = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737


def namespaces_of_zygote(outside: dict[int, str], inside: dict[int, str], hidden_path: str) -> dict[str, str]:
    """Look from the zygote at what its namespaces hide.

    Args:
        outside: identities of the launcher's namespaces before anything was unshared.
        inside: identities of the zygote's.
        hidden_path: a file that exists outside and must not be visible here.
    """
    found: dict[str, str] = {
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


def confinement(plan: guest.Plan, limits: Limits, forbidden_path: str, *, own_proc: bool) -> dict[str, str]:
    """Confine this process as a guest would be, and try to get out.

    Args:
        plan: what the zygote prepared.
        limits: what the guest may use.
        forbidden_path: an existing file that only Landlock keeps from being read.
        own_proc: whether ``/proc`` is of the sandbox's own.

    Returns:
        For every layer ``"enforced"`` or why it is not.
    """
    failed: dict[str, str] = {}
    for layer, step in guest.layers(plan, limits).items():
        try:
            step()
        except OSError as error:
            failed[layer] = linux.errno_name(error)
    attempts: dict[str, Callable[[], bool]] = {
        Layer.CAPABILITIES: lambda: privileges.held_capabilities() == 0,
        Layer.NO_NEW_PRIVILEGES: lambda: linux.prctl("query", linux.PR_GET_NO_NEW_PRIVS) == 1,
        Layer.RESOURCE_LIMITS: lambda: _memory_refused(limits) and _large_file_refused(limits),
    }
    if own_proc:
        attempts[Layer.HIDDEN_PROCESSES] = lambda: (
            _refused(lambda: os.open("/proc/1/stat", os.O_RDONLY), errno.EPERM, errno.ENOENT)
            and not Path("/proc/meminfo").exists()
        )
    if plan.spare_tasks is not None:
        most = limits.processes + limits.threads + plan.spare_tasks
        attempts[Layer.PROCESS_COUNT] = lambda: resource.getrlimit(resource.RLIMIT_NPROC)[1] <= most
    if plan.ruleset is not None:
        attempts[Layer.LANDLOCK] = lambda: _refused(lambda: os.open(forbidden_path, os.O_RDONLY), errno.EACCES)
    if plan.call_filters:
        attempts[Layer.SECCOMP] = lambda: all(_refused(call, errno.EPERM) for call in (_reach_out, _fork, _new))
    return {
        layer: failed.get(layer) or (ENFORCED if holds() else "applied, but an attempt to break it succeeded")
        for layer, holds in attempts.items()
        if layer not in plan.left_out
    }


def user(number: int, folders: Sequence[str]) -> dict[str, str]:
    """Become the user that guests are to be, and do what they need: import, read packages, write in scratch.

    What is made here is as hard to remove as a guest could wish.
    """
    try:
        privileges.become(number)
        sys.modules.pop(RARE_MODULE, None)
        importlib.import_module(RARE_MODULE)
        for folder in folders:
            _read_one(Path(folder))
        Path("locked").mkdir()
        Path("locked/file").touch()
        Path("locked").chmod(0)
    except (ImportError, OSError) as error:
        where = getattr(error, "filename", None) or ""
        what = linux.errno_name(error) if isinstance(error, OSError) else str(error)
        return {Layer.ORDINARY_USER: f"another user than root cannot run here: {what} {where}".rstrip()}
    return {Layer.ORDINARY_USER: ENFORCED}


def _read_one(path: Path) -> None:
    """Read a first byte of a file, or of the first file in a folder."""
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
        if not files:
            return
        path = files[0]
    with path.open("rb") as file:
        file.read(1)


def group(made: cgroups.Group) -> dict[str, str]:
    """Try the control group that this process has joined: it must count what happens and take limits."""
    attempts: dict[str, Callable[[], bool]] = {
        cgroups.MEMORY: lambda: _counts_memory(made) and _takes(made, cgroups.MEMORY, 1 << 40),
        cgroups.TASKS: lambda: _refuses_tasks(made),
        cgroups.CPU: lambda: _takes(made, cgroups.CPU, 1.5),
    }
    found = dict(made.states)
    for controller, holds in attempts.items():
        layer = cgroups.LAYERS[controller]
        if made.has(controller):
            try:
                found[layer] = ENFORCED if holds() else "joined, but it confines nothing"
            except OSError as error:
                found[layer] = linux.errno_name(error)
            if found[layer] != ENFORCED:
                made.give_up(controller)
    return found


def _counts_memory(made: cgroups.Group) -> bool:
    before = made.use(cgroups.MEMORY)
    with mmap.mmap(-1, TOUCHED_BYTES) as memory:
        memory.write(b"x" * TOUCHED_BYTES)
        return made.use(cgroups.MEMORY) - before > TOUCHED_BYTES // 2


def _refuses_tasks(made: cgroups.Group) -> bool:
    made.set(cgroups.TASKS, made.use(cgroups.TASKS))
    return _refused(_fork, errno.EAGAIN)


def _takes(made: cgroups.Group, controller: str, amount: float) -> bool:
    before = made.limit(controller)
    made.set(controller, amount)
    return made.limit(controller) != before


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
