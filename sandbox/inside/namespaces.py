"""New namespaces for the zygote: which ones this machine lets us have, found by trying the whole sequence."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.inside import linux

MOUNT, UTS, IPC, USER, PID, NETWORK = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
NAMES = {
    USER: "user namespace",
    MOUNT: "mount namespace",
    PID: "pid namespace",
    NETWORK: "network namespace",
    IPC: "ipc namespace",
    UTS: "uts namespace",
}
FILES = {USER: "user", MOUNT: "mnt", PID: "pid", NETWORK: "net", IPC: "ipc", UTS: "uts"}
EVERYTHING = USER | MOUNT | PID | NETWORK | IPC | UTS


def enter(flags: int) -> None:
    """Unshare, and map the present user and group onto themselves in a new user namespace.

    The mount namespace is left to the process that will live in it, since it is going to change its root.
    Must be called by a process with a single thread. A pid namespace begins with the next fork.

    Raises:
        OSError: refused at any step.
    """
    user, group = os.geteuid(), os.getegid()
    if flags & ~MOUNT:
        linux.unshare(flags & ~MOUNT)
    if flags & USER:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny", encoding="ascii")
        (own / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        (own / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def enter_mounts() -> None:
    """Unshare the mount namespace and stop mounts from spreading to the outside.

    Raises:
        OSError: refused.
    """
    private_recursively = 1 << 18 | 1 << 14
    linux.unshare(MOUNT)
    linux.mount("none", "/", None, private_recursively)


def refusal(flags: int, scratch: str) -> str:
    """Why this machine does not let us have these namespaces together; empty if it does.

    A child tries it to the end: on some machines the unsharing succeeds and every use of it is refused
    (AppArmor's restriction of user namespaces, for one).
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, _try(flags, scratch).encode()[:400])
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return "" if answer == "ok" else answer or "the attempt died"


def _try(flags: int, scratch: str) -> str:
    try:
        enter(flags)
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


def choose(scratch: str) -> tuple[int, dict[str, str]]:
    """Find the largest set of namespaces to be had here, and why each of the others is not.

    Args:
        scratch: an empty folder to try mounts on.
    """
    reason = refusal(EVERYTHING, scratch)
    if not reason:
        return EVERYTHING, {}
    reasons = {NAMES[USER]: reason}
    got = 0
    for flag, name in NAMES.items():
        why = refusal(got | flag, scratch)
        if why:
            reasons[name] = why
        else:
            got |= flag
            reasons.pop(name, None)
    if got & MOUNT and not got & PID:  # without a /proc of its own a private root would hide what to sweep
        got &= ~MOUNT
        reasons[NAMES[MOUNT]] = "useless without a pid namespace"
    return got, reasons


def identities() -> dict[int, str]:
    """The namespaces that this process is in, by flag."""
    own = Path("/proc/self/ns")
    return {flag: str((own / name).readlink()) for flag, name in FILES.items()}
