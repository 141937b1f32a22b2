"""File access by allow-list, without privileges (Linux 5.13 and later).

Structures and rights: Linux ``Documentation/userspace-api/landlock.rst``. Reading the metadata of a file
(``stat``) is not something that Landlock restricts.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

from sandbox.inside import linux

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIRECTORY = 1 << 3
TRUNCATE = 1 << 14
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READ_ONLY = READ_FILE | READ_DIRECTORY
START = EXECUTE | READ_FILE
# ABI version that introduced them: how many file rights there are.
RIGHTS_BY_ABI = ((1, 13), (2, 14), (3, 15), (5, 16))
NETWORK_ABI, NETWORK_RIGHTS = 4, 0b11
SCOPE_ABI, SCOPES = 6, 0b11
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi_version() -> int:
    """Version of Landlock that this kernel speaks.

    Raises:
        OSError: it speaks none.
    """
    number = linux.SYS_LANDLOCK_CREATE_RULESET
    return linux.syscall("landlock", number, None, 0, CREATE_RULESET_VERSION)


def build(
    readable: Sequence[str], writable: Sequence[str], startable: Sequence[str], listable: Sequence[str] = ()
) -> int:
    """Make a ruleset: read below ``readable``, all but executing below ``writable``, execute ``startable`` alone.

    Below ``listable`` names may be read, and no contents.

    Returns a descriptor that any number of processes may pass to `apply`; TCP, abstract Unix sockets and
    signals to processes outside are shut off too where the kernel knows how.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = abi_version()
    files = (1 << max(count for since, count in RIGHTS_BY_ABI if version >= since)) - 1
    size = 24 if version >= SCOPE_ABI else 16 if version >= NETWORK_ABI else 8
    ruleset = _Ruleset(files, NETWORK_RIGHTS if version >= NETWORK_ABI else 0, SCOPES if version >= SCOPE_ABI else 0)
    descriptor = linux.syscall("landlock ruleset", linux.SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    for path in readable:
        _allow(descriptor, path, READ_ONLY & files)
    for path in writable:
        _allow(descriptor, path, files & ~EXECUTE)
    for path in listable:
        _allow(descriptor, path, READ_DIRECTORY & files)
    for path in startable:
        _allow(descriptor, path, START & files)
    return descriptor


def _allow(ruleset: int, path: str, rights: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= FILE_RIGHTS
        rule = _PathBeneath(rights, parent)
        linux.syscall(
            f"landlock rule for {path}",
            linux.SYS_LANDLOCK_ADD_RULE,
            ruleset,
            RULE_PATH_BENEATH,
            ctypes.byref(rule),
            0,
        )
    finally:
        os.close(parent)


def apply(ruleset: int) -> None:
    """Restrict this process and all it starts; needs `privileges.gain_nothing` first."""
    linux.syscall("landlock restrict", linux.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
