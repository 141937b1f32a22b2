"""Files that hold a secret: nobody but their owner may read them, and nobody else may have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 10_000


class NotPrivateError(Exception):
    """A file that somebody else may have written or read; the message says why."""


def read_private(path: Path) -> str:
    """The text of a file that is this user's alone.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not ASCII.
        NotPrivateError: it is a link, no regular file, somebody else's, or open to others.
    """
    if path.is_symlink():
        raise NotPrivateError(f"{path} is a symbolic link")
    # Not to be held up by a pipe, nor led astray by a link that was put there since.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise NotPrivateError(f"{path} is no regular file")
        if facts.st_uid != os.geteuid():
            raise NotPrivateError(f"{path} belongs to another user ({facts.st_uid})")
        if facts.st_mode & 0o077:
            raise NotPrivateError(f"{path} is open to other users (mode {stat.S_IMODE(facts.st_mode):o}, not 600)")
        return file.read(MAX_BYTES).decode("ascii")


def write_private(path: Path, text: str) -> None:
    """Write a file as a whole, readable by its owner alone from the first moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    draft.replace(path)
