"""What is peculiar to SQLite: its engine, its settings and its error messages."""

from __future__ import annotations

import json
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from db.records import ArchiveError

BUSY_SECONDS = 60
_RETRY_SECONDS = 0.05

# SQLite's message -> what that means here and how to mend it. First match counts.
_MEANINGS = (
    (
        "database or disk is full",
        "the disk is full; what was recorded is safe. Free some space, then resume the run",
    ),
    (
        "file is not a database",
        "this file is no archive; give another path with --db",
    ),
    (
        "malformed",
        "the file is damaged; restore a copy, or save what is left with the .recover command of sqlite3",
    ),
    (
        "readonly database",
        "the file or its folder cannot be written; get write access, or copy the file elsewhere",
    ),
    (
        "unable to open database file",
        "the file or its folder cannot be opened or written; check the path and its access rights",
    ),
    (
        "database is locked",
        f"another process kept it locked for {BUSY_SECONDS} s; stop that process, or try again",
    ),
    (
        "disk I/O error",
        "the disk cannot be read or written; check the disk, its quota, and that it is no network folder",
    ),
)


def explain(message: str, path: Path) -> str:
    """Say what a database error means, where it happened and how to mend it."""
    for sign, meaning in _MEANINGS:
        if sign in message:
            return f"archive {path}: {meaning} ({message})"
    return f"archive {path}: the database refused: {message}"


def make_engine(path: Path) -> Engine:
    """An engine for a file, whose transactions are begun by `begin`."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        hide_parameters=True,
        pool_size=0,  # a connection for each thread that needs one; with a limit, one more reader would fail
        json_serializer=partial(json.dumps, allow_nan=False),
    )
    event.listen(engine, "connect", _configure)
    return engine


def begin(connection: Connection, path: Path, *, writing: bool) -> None:
    """Begin a transaction.

    One that writes takes the write lock at once: taken later, at the first write, the lock is refused
    without waiting when another process has written in between. (The driver's connection is used directly,
    because an event on the engine would slow every statement down.)
    """
    raw: Any = connection.connection.driver_connection
    try:
        raw.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
    except sqlite3.Error as error:
        raise ArchiveError(explain(str(error), path)) from error


def use_wal(engine: Engine, path: Path) -> None:
    """Let readers read while one process writes; the file remembers it.

    Raises:
        ArchiveError: the file system cannot do that, or the file stays locked.
    """
    raw = engine.raw_connection()  # the mode cannot change inside a transaction
    try:
        mode = _change_mode(raw.cursor(), round(BUSY_SECONDS / _RETRY_SECONDS))
    except sqlite3.Error as error:
        raise ArchiveError(explain(str(error), path)) from error
    finally:
        raw.close()
    if mode != "wal":
        raise ArchiveError(f"archive {path}: no write-ahead log here but mode {mode!r}; use a local disk")


def _change_mode(cursor: Any, tries: int) -> str:
    # SQLite does not wait for this lock, whatever the timeout; processes that create a file at once meet it.
    for _ in range(tries - 1):
        try:
            return str(cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(_RETRY_SECONDS)
    return str(cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def _configure(raw: Any, _record: object) -> None:
    # The driver must not begin transactions itself: it would do so late, at the first write.
    raw.isolation_level = None
    cursor = raw.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
