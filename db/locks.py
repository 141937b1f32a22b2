"""One driver for each run: two would evaluate the same candidates and trip over each other's records."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.records import ArchiveError


@contextmanager
def driver_lock(database: Path, run_id: int) -> Iterator[None]:
    """Hold the driver's lock of a run, one byte of the file ``<database>-drivers``; released when the process ends.

    Raises:
        ArchiveError: another process holds it, or the file cannot be made.
    """
    path = database.with_name(f"{database.name}-drivers")
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
