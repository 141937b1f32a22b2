"""One driver for each run: two would evaluate the same candidates and trip over each other's records."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.records import ArchiveError

FLOCK = "hhqqi0q"
"""``struct flock`` of 64-bit Linux: type, whence, start, length, process; see fcntl(2)."""


@contextmanager
def driver_lock(database: Path, run_id: int) -> Iterator[None]:
    """Hold the driver's lock of a run, one byte of the file ``<database>-drivers``; released when the process ends.

    Raises:
        ArchiveError: another process holds it, or the file cannot be made.
    """
    path = _lock_file(database)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ArchiveError(f"cannot open {path}: {error.strerror}; give the folder write permission") from error
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, run_id)
        except OSError as error:
            raise ArchiveError(
                f"run {run_id} of archive {database} is being driven by another process; "
                "watch it with evolve leaderboard --watch, or wait until it ends"
            ) from error
        yield
    finally:
        os.close(descriptor)


def is_driven(database: Path, run_id: int, *, by: int | None = None) -> bool:
    """Whether another process holds the driver's lock of a run: the process ``by``, if that is given.

    The process that drives must not ask: to close the file here would release its own lock.
    """
    try:
        descriptor = os.open(_lock_file(database), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Asking does not take the lock, so that a driver that begins just now is not turned away.
        question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, run_id, 1, 0)
        kind, _, _, _, process = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    finally:
        os.close(descriptor)
    return kind != fcntl.F_UNLCK and by in (None, process)


def _lock_file(database: Path) -> Path:
    return database.with_name(f"{database.name}-drivers")
