"""Ends processes and removes folders whatever a guest has done with them."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from sandbox.inside import linux


def kill(pid: int) -> None:
    """Send SIGKILL; -1 means everything in this pid namespace. No harm if nobody is there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """For a while, processes below this one whose parent ends become its children (``PR_SET_CHILD_SUBREAPER``)."""
    linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 0)


def descendants(ancestor: int) -> list[int]:
    """Processes below one, by ``/proc``; orphans count where the ancestor is their subreaper.

    Asks the kernel for each process's children. While processes come and go that list may lack some, so where it
    names none, and where the kernel keeps none, all processes are looked through.
    """
    return _listed(ancestor) or _searched(ancestor)


def _listed(ancestor: int) -> list[int]:
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below: list[int] = []
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                below += map(int, task.read_text(encoding="ascii").split())
        found += below
        waiting += below
    return found


def _searched(ancestor: int) -> list[int]:
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            parent = int(fields.rpartition(")")[2].split()[1])
            children[parent].append(int(entry.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children[waiting.pop()]
        found += below
        waiting += below
    return found


def kill_descendants(*, everything: bool) -> None:
    """Kill and reap all processes below this one, which must be the subreaper of orphans.

    Args:
        everything: the pid namespace holds nobody else, so that one signal reaches them all.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            for pid in [-1] if everything else descendants(os.getpid()):
                kill(pid)
            os.waitpid(-1, 0)


def remove_tree(folder: Path) -> None:
    """Remove a folder that somebody hostile has filled."""
    empty_tree(folder)
    folder.rmdir()


def empty_tree(folder: Path) -> None:
    """Remove all that somebody hostile has put into a folder, which is this user's alone afterwards.

    Folders are flattened by renaming, not descended into, so that depth and path length do not matter, and
    are made accessible first. Symbolic links are removed, never followed.
    """
    prefix = secrets.token_hex(8)
    count = 0
    folder.chmod(0o700)
    while entries := list(folder.iterdir()):
        for entry in entries:
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink()
                continue
            entry.chmod(0o700)
            for inner in list(entry.iterdir()):
                if inner.is_symlink() or not inner.is_dir():
                    inner.unlink()
                else:
                    inner.chmod(0o700)  # a folder moves only if its own entry ".." may be written
                    count += 1
                    inner.rename(folder / f"{prefix}-{count}")
            entry.rmdir()
