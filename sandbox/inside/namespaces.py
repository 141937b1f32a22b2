"""New namespaces for the zygote: which ones this machine lets us have, found by trying the whole sequence."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.inside import linux
from sandbox.layers import LEFT_OUT, Layer

MOUNT, UTS, IPC, USER, PID, NETWORK = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
NAMES = {
    USER: Layer.USER_NAMESPACE,
    MOUNT: Layer.MOUNT_NAMESPACE,
    PID: Layer.PID_NAMESPACE,
    NETWORK: Layer.NETWORK_NAMESPACE,
    IPC: Layer.IPC_NAMESPACE,
    UTS: Layer.UTS_NAMESPACE,
}
FILES = {USER: "user", MOUNT: "mnt", PID: "pid", NETWORK: "net", IPC: "ipc", UTS: "uts"}
EVERYTHING = USER | MOUNT | PID | NETWORK | IPC | UTS


def enter(flags: int, guest_id: int | None = None) -> None:
    """Unshare, and map the present user and group, and the guests', onto themselves in a new user namespace.

    The mount namespace is left to the process that will live in it, since it is going to change its root.
    Must be called by a process with a single thread. A pid namespace begins with the next fork.

    Raises:
        OSError: refused at any step.
    """
    user, group = os.geteuid(), os.getegid()
    mapped = _mapper(user, group, guest_id) if flags & USER and guest_id is not None else None
    if flags & ~MOUNT:
        linux.unshare(flags & ~MOUNT)
    if mapped is not None:
        mapped()
    elif flags & USER:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny", encoding="ascii")
        (own / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        (own / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _mapper(user: int, group: int, guest_id: int) -> Callable[[], None]:
    """Start a process that maps two ids from outside, where the privilege is; call the result after unsharing."""
    own = Path(f"/proc/{os.getpid()}")
    start_read, start_write = os.pipe()
    answer_read, answer_write = os.pipe()
    child_pid = os.fork()
    if child_pid == 0:
        try:
            os.close(start_write)
            if os.read(start_read, 1):
                (own / "gid_map").write_text(f"{group} {group} 1\n{guest_id} {guest_id} 1\n", encoding="ascii")
                (own / "uid_map").write_text(f"{user} {user} 1\n{guest_id} {guest_id} 1\n", encoding="ascii")
            os.write(answer_write, b"0")
        except OSError as error:
            os.write(answer_write, str(error.errno).encode())
        finally:
            os._exit(0)
    os.close(start_read)
    os.close(answer_write)

    def finish() -> None:
        os.write(start_write, b"x")
        os.close(start_write)
        with os.fdopen(answer_read, "rb") as pipe:
            number = int(pipe.read() or errno.ESRCH)
        os.waitpid(child_pid, 0)
        if number:
            raise OSError(number, os.strerror(number))

    return finish


def enter_mounts() -> None:
    """Unshare the mount namespace and stop mounts from spreading to the outside.

    Raises:
        OSError: refused.
    """
    private_recursively = 1 << 18 | 1 << 14
    linux.unshare(MOUNT)
    linux.mount("none", "/", None, private_recursively)


def refusal(flags: int, scratch: str, guest_id: int | None = None) -> str:
    """Why this machine does not let us have these namespaces together; empty if it does.

    A child tries it to the end: on some machines the unsharing succeeds and every use of it is refused
    (AppArmor's restriction of user namespaces, for one).
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, _try(flags, scratch, guest_id).encode()[:400])
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return "" if answer == "ok" else answer or "the attempt died"


def _try(flags: int, scratch: str, guest_id: int | None) -> str:
    try:
        enter(flags, guest_id)
        if flags & MOUNT:
            enter_mounts()
            linux.mount("tmpfs", scratch, "tmpfs", 0, "size=4k")
        if flags & PID:
            child = os.fork()
            if child == 0:
                os._exit(os.getpid() != 1)
            if os.waitpid(child, 0)[1]:
                return "not the first process of its pid namespace"
    except OSError as error:
        return linux.errno_name(error)
    return "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What there is to be had.

    Args:
        flags: the namespaces.
        guest_id: user id for guests, as far as a user namespace could map it; None where there is none.
        reasons: why each of the other namespaces is not there, by layer.
        no_guest_id: why there is no guest id, empty if there is or none was asked for.
    """

    flags: int
    guest_id: int | None
    reasons: dict[str, str]
    no_guest_id: str


def choose(scratch: str, wanted: int, guest_id: int | None) -> Choice:
    """Find the largest set of namespaces to be had here.

    Args:
        scratch: an empty folder to try mounts on.
        wanted: which to try; the others are left out.
        guest_id: a second user that a user namespace should know.
    """
    reasons: dict[str, str] = {name: LEFT_OUT for flag, name in NAMES.items() if not flag & wanted}
    reason = refusal(wanted, scratch, guest_id)
    no_guest_id = ""
    if reason and wanted & USER and guest_id is not None and not refusal(USER, scratch):
        no_guest_id = refusal(USER, scratch, guest_id)
        if no_guest_id:
            guest_id, reason = None, refusal(wanted, scratch)
    got = wanted
    if reason:
        got = 0
        for flag, name in NAMES.items():
            why = refusal(got | flag, scratch, guest_id) if flag & wanted else LEFT_OUT
            if why:
                reasons[name] = why
            else:
                got |= flag
    if got & MOUNT and not got & PID:  # without a /proc of its own a private root would hide what to sweep
        got &= ~MOUNT
        reasons[NAMES[MOUNT]] = "useless without a pid namespace"
    return Choice(flags=got, guest_id=guest_id, reasons=reasons, no_guest_id=no_guest_id)


def identities() -> dict[int, str]:
    """The namespaces that this process is in, by flag."""
    own = Path("/proc/self/ns")
    return {flag: str((own / name).readlink()) for flag, name in FILES.items()}
