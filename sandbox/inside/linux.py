"""System calls that the standard library does not wrap, by ctypes."""

from __future__ import annotations

import ctypes
import os
from functools import cache

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39

# Numbers at and above 424 are the same on every architecture.
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
SYS_MOUNT_SETATTR = 442
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


@cache
def libc() -> ctypes.CDLL:
    """The C library, with errno kept per call; what guests call is looked up before they are forked."""
    library = ctypes.CDLL(None, use_errno=True)
    for name in ("syscall", "prctl", "capset"):
        getattr(library, name)
    return library


def checked(result: int, what: str) -> int:
    """Pass on a system call's result.

    Raises:
        OSError: it is -1.
    """
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    """Call the kernel directly; integers are passed as longs, ``None`` as a null pointer."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(libc().syscall(ctypes.c_long(number), *words), what)


def prctl(what: str, option: int, value: int = 0) -> int:
    """Set or get an attribute of the calling process."""
    zero = ctypes.c_ulong(0)
    return checked(libc().prctl(option, ctypes.c_ulong(value), zero, zero, zero), what)


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags`` (``CLONE_NEW*``) for new ones."""
    checked(libc().unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a filesystem, or change a mount."""
    result = libc().mount(
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    checked(result, f"mount {target}")


def detach(target: str) -> None:
    """Take a mount, with all below it, out of sight at once."""
    checked(libc().umount2(os.fsencode(target), ctypes.c_int(2)), f"umount {target}")


def errno_name(error: OSError) -> str:
    """A short description of a failed call."""
    return error.strerror or str(error)
