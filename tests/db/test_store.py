"""Opening an archive: what is refused, and with which words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import ArchiveError, NewCandidate, NewRun, Planned
from evaluators.model import Evaluation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


def test_a_path_and_a_url_name_the_same_file(path: Path, new_run: Callable[..., NewRun]) -> None:
    with Archive.open(str(path), create=True) as archive:
        archive.create_run(new_run())
    with Archive.open(f"sqlite:///{path}") as archive:
        assert archive.run(None).name == "first"
    with Archive.open(f"sqlite:///{path}", create=True) as archive:
        assert archive.run(None).name == "first"


def test_it_is_set_up_for_one_writer_and_many_readers(path: Path) -> None:
    with Archive.open(str(path), create=True) as archive, archive._store.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 60_000}


def test_a_missing_file_is_not_made_by_accident(path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"archive\.db: no such file; start a run to create it"):
        Archive.open(str(path))
    assert not path.exists()


def test_an_empty_file_becomes_an_archive_only_when_asked(path: Path) -> None:
    path.touch()
    with pytest.raises(ArchiveError, match="the file is empty"):
        Archive.open(str(path))
    Archive.open(str(path), create=True).close()
    Archive.open(str(path)).close()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="this is a folder; name a file in it"):
        Archive.open(str(tmp_path), create=True)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="its folder does not exist; create"):
        Archive.open(str(tmp_path / "none" / "archive.db"), create=True)


def test_a_place_that_takes_no_files_is_refused() -> None:
    with pytest.raises(ArchiveError, match=r"/proc/archive\.db: .*cannot be opened or written; check the path"):
        Archive.open("/proc/archive.db", create=True)


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_refused_untouched(path: Path, *, create: bool) -> None:
    content = b"these are my notes, not a database\n" * 100
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"archive\.db: this file is no archive; give another path"):
        Archive.open(str(path), create=create)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE studies (id)", "CREATE TABLE schema_version (version)"],
)
def test_a_database_of_another_application_is_refused_untouched(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute(statement)
    raw.close()
    content = path.read_bytes()
    with pytest.raises(ArchiveError, match="a database of another application"):
        Archive.open(str(path), create=True)
    assert path.read_bytes() == content


def test_another_version_is_refused(path: Path) -> None:
    Archive.open(str(path), create=True).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE schema_version SET version = 99")
    raw.close()
    with pytest.raises(ArchiveError, match="format version 99, but this program reads version 4; use the release"):
        Archive.open(str(path))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://me:pass@host/base",
            r"postgresql://me:\*\*\*@host/base: this version stores in SQLite only",
        ),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///a.db?mode=ro", "must name a file and nothing else"),
        ("://x", "not a database URL"),
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        Archive.open(url, create=True)


def test_a_damaged_file_is_called_so(path: Path, new_run: Callable[..., NewRun]) -> None:
    with Archive.open(str(path), create=True) as archive:
        archive.create_run(new_run())
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"the file is damaged; restore a copy"):
        Archive.open(str(path)).runs()


def test_a_full_disk_loses_nothing(
    path: Path,
    new_run: Callable[..., NewRun],
    new_candidate: Callable[..., NewCandidate],
    planned: Callable[..., Planned],
    ok: Callable[..., Evaluation],
) -> None:
    with Archive.open(str(path), create=True) as archive:
        run = archive.create_run(new_run())
        key = archive.register(run.id, new_candidate(0), planned(0))
        _limit_pages(archive, 1)  # SQLite never goes below what it has
        huge = new_candidate(1, source="# " + "x" * 100_000)
        with pytest.raises(ArchiveError, match="the disk is full; what was recorded is safe"):
            archive.register(run.id, huge, planned(1))
        assert archive.run(None).candidates == 1
        _limit_pages(archive, 1_000_000)
        assert archive.register(run.id, huge, planned(1)) > key
        assert archive.record(key, ok()) == 0
    with Archive.open(str(path)) as archive:
        assert archive.candidate(run.id, 1).source == huge.source


def _limit_pages(archive: Archive, pages: int) -> None:
    with archive._store.reading() as connection:  # the pool's only connection
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
