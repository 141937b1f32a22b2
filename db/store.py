"""Opening an archive: finding the file, telling it from others, and transactions with clear errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError

from db.records import ArchiveError
from db.schema import APPLICATION, METADATA, VERSION, schema_version
from db.sqlite import begin, explain, make_engine, use_wal
from db.upgrades import UPGRADES


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An open database file and its two kinds of transactions."""

    path: Path
    engine: Engine
    writer: Lock = field(default_factory=Lock, repr=False, compare=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the archive, whatever is written meanwhile."""
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored as a whole when the block ends, and not at all when it raises.

        Threads of one process take turns; left to the database's lock, they would sleep and poll for it.
        """
        with self.writer, self._transaction(writing=True) as connection:
            yield connection

    def close(self) -> None:
        """Give every connection back; the last one folds the write-ahead log into the file."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Connection]:
        try:
            with self.engine.begin() as connection:
                begin(connection, self.path, writing=writing)
                yield connection
        except DBAPIError as error:
            raise ArchiveError(explain(str(error.orig), self.path)) from error


def open_store(url: str, *, create: bool) -> Store:
    """Open the archive at a path or ``sqlite:///`` URL, or make a new one.

    One of an older version is brought up to date.

    Raises:
        ArchiveError: there is none (and ``create`` is false), it is not ours, or it cannot be used.
    """
    path = _find(url)
    _check_path(path, create=create)
    if create and not path.exists():
        _make_private(path)
    store = Store(path=path, engine=make_engine(path))
    try:
        with store.reading() as connection:
            version = _version_of(connection, path)
        if version is None and not create:
            raise ArchiveError(f"archive {path}: the file is empty; remove it and start a run, or give another --db")
        if version != VERSION:
            with store.writing() as connection:
                _bring_up_to_date(connection, path)
        use_wal(store.engine, path)
    except BaseException:
        store.close()
        raise
    return store


def _make_private(path: Path) -> None:
    """Make the file before the database does: it holds the secrets of its runs, so only its owner may read it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ArchiveError(explain("unable to open database file", path)) from error


def _find(url: str) -> Path:
    if "://" not in url:
        return Path(url).expanduser()
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ArchiveError(f"archive: not a database URL; write sqlite:///path or a plain path: {error}") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() != "sqlite":
        raise ArchiveError(f"archive {shown}: this version stores in SQLite only; write sqlite:///path or a path")
    if parsed.database in (None, "", ":memory:") or parsed.query:
        raise ArchiveError(f"archive {shown}: the URL must name a file and nothing else, as in sqlite:///evolve.db")
    return Path(str(parsed.database))


def _check_path(path: Path, *, create: bool) -> None:
    try:
        if path.is_dir():
            raise ArchiveError(f"archive {path}: this is a folder; name a file in it, such as {path / 'evolve.db'}")
        if path.exists():
            return
        if not create:
            raise ArchiveError(f"archive {path}: no such file; start a run to create it, or give another --db")
        if not path.parent.is_dir():
            raise ArchiveError(f"archive {path}: its folder does not exist; create {path.parent} or give another --db")
    except OSError as error:
        raise ArchiveError(f"archive {path}: cannot be looked up ({error.strerror}); check the path") from error


def _version_of(connection: Connection, path: Path) -> int | None:
    """The version of an archive that can be used here; None for an empty database."""
    inspector = inspect(connection)
    tables = inspector.get_table_names()
    if not tables:
        return None
    version = None
    if schema_version.name in tables:
        columns = {column["name"] for column in inspector.get_columns(schema_version.name)}
        if columns == set(schema_version.c.keys()):
            ours = schema_version.c.application == APPLICATION
            version = connection.scalar(select(schema_version.c.version).where(ours))
    if version is None:
        some = ", ".join(sorted(tables)[:3])
        raise ArchiveError(f"archive {path}: a database of another application (tables {some}); give another --db")
    if version != VERSION and version not in UPGRADES:
        raise ArchiveError(
            f"archive {path}: format version {version}, but this program reads version {VERSION}; "
            "use the release that wrote it, or start a new file with --db"
        )
    return int(version)


def _bring_up_to_date(connection: Connection, path: Path) -> None:
    # Asked again, now under the write lock: another process may have been quicker.
    version = _version_of(connection, path)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(insert(schema_version), {"application": APPLICATION, "version": VERSION})
        return
    for older in range(version, VERSION):
        for statement in UPGRADES[older]:
            connection.execute(text(statement))
    connection.execute(update(schema_version).values(version=VERSION))
