"""A root of the zygote's own: a few read-only folders, its own ``/proc`` and a small scratch in memory.

Everything that is not named does not exist for a guest. Calls: mount(2), mount_setattr(2), pivot_root(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from sandbox.inside import linux

READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXECUTE = 1, 2, 4, 8
BIND, RECURSIVE = 1 << 12, 1 << 14
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SCRATCH_PARENT = "/scratch"
SCRATCH = "/scratch/tmp"
SCRATCH_FILES = 4096
FORBIDDEN = "/forbidden"
# From the most that a kernel may know (5.8) to the least: other processes and global files do not exist.
PROC_OPTIONS = ("hidepid=ptraceable,subset=pid", "hidepid=ptraceable", "subset=pid", "hidepid=2", "")
TEMPORARY = "/tmp"  # noqa: S108 - where programs look for a folder, inside the new root


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace"))


def _freeze(root: str) -> None:
    attributes = _Attributes(set=READ_ONLY | NO_SETUID)
    linux.syscall(
        f"mount_setattr {root}",
        linux.SYS_MOUNT_SETATTR,
        AT_FDCWD,
        os.fsencode(root),
        AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.sizeof(attributes),
    )


def _bind(source: str, root: str) -> None:
    target = Path(root + source)
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.mount(source, str(target), None, BIND | RECURSIVE)


def build(root: str, visible: Sequence[str], hidden: Sequence[str], proc_options: Sequence[str]) -> str:
    """Assemble the new root at the folder ``root``; nothing changes for this process yet.

    Args:
        root: an existing folder, which the new root covers.
        visible: absolute paths of folders, files and devices that exist in it, read-only.
        hidden: folders inside visible ones that are to be empty, but for what is itself visible.
        proc_options: options for its own ``/proc``, of which the first is taken that the kernel accepts; none
            at all leaves the present one where it is.

    Returns:
        Why it has no ``/proc`` of its own, empty if it has.

    Raises:
        OSError: the kernel refuses a step.
    """
    linux.mount("tmpfs", root, "tmpfs", NO_SETUID | NO_DEVICES, "size=1m,mode=755")
    outer = [path for path in visible if not any(Path(path).is_relative_to(folder) for folder in hidden)]
    for path in outer:
        _place(path, root)
    for folder in hidden:
        if Path(root + folder).is_dir():
            linux.mount("tmpfs", root + folder, "tmpfs", NO_SETUID | NO_DEVICES, "size=1m,mode=755")
    for path in visible:
        if path not in outer:
            _place(path, root)
    for folder in (SCRATCH_PARENT, SCRATCH, "/proc"):
        Path(root + folder).mkdir()
    Path(root + FORBIDDEN).touch()  # nothing but Landlock keeps a guest from reading it
    temporary = Path(root + TEMPORARY)
    if not temporary.exists():  # a preloaded package may live there; tempfile then takes the present folder
        temporary.symlink_to(SCRATCH)
    if not proc_options:
        linux.mount("/proc", f"{root}/proc", None, BIND | RECURSIVE)
    _freeze(root)
    return _own_proc(f"{root}/proc", proc_options)


def _own_proc(target: str, proc_options: Sequence[str]) -> str:
    reason = ""
    for options in proc_options:
        try:
            linux.mount("proc", target, "proc", READ_ONLY | NO_SETUID | NO_DEVICES | NO_EXECUTE, options)
        except OSError as error:
            reason = linux.errno_name(error)
        else:
            return ""
    return reason


def _place(path: str, root: str) -> None:
    """Bind a path under its own name and, where it leads through symbolic links, under its real one too."""
    if not Path(root + path).exists():
        _bind(path, root)
    real = str(Path(path).resolve())
    if real != path and not Path(root + real).exists():
        _bind(real, root)


def enter(root: str) -> None:
    """Make the folder this process's root and forget the old one.

    Raises:
        OSError: the kernel refuses.
    """
    os.chdir(root)
    machine = os.uname().machine
    linux.syscall("pivot_root", linux.SYS_PIVOT_ROOT[machine], b".", b".")
    linux.detach(".")
    os.chdir("/")


def fresh_scratch(most_bytes: int, owner: int | None) -> None:
    """Mount an empty scratch folder that holds ``most_bytes`` at most and belongs to ``owner``.

    Nothing in it can be executed, nor mapped as code.
    """
    options = f"size={most_bytes},nr_inodes={SCRATCH_FILES},mode=700"
    if owner is not None:
        options += f",uid={owner},gid={owner}"
    linux.mount("tmpfs", SCRATCH, "tmpfs", NO_SETUID | NO_DEVICES | NO_EXECUTE, options)
