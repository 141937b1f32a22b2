"""Reading costs what it returns: no query of the archive walks through a growing table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from db.archive import Archive
from db.records import NewCandidate, NewRun, Planned, RunRecord
from evaluators.model import Evaluation, Split

GROWING = "programs|candidates|lineage|evaluations|samples|metrics|standings"
READS: dict[str, Callable[[Archive, int], object]] = {
    "run": lambda archive, run_id: archive.run_by_id(run_id),
    "newest": lambda archive, run_id: archive.run(None),
    "unfinished": lambda archive, run_id: archive.unfinished(run_id),
    "history": lambda archive, run_id: list(archive.history(run_id)),
    "digest": lambda archive, run_id: archive.has_digest(run_id, "ast-1"),
    "candidate": lambda archive, run_id: archive.candidate(run_id, 1),
    "children": lambda archive, run_id: archive.children(run_id, 0),
    "evaluations": lambda archive, run_id: archive.evaluations(run_id, 1),
    "by low": lambda archive, run_id: archive.standings(run_id),
    "by score": lambda archive, run_id: archive.standings(run_id, split=Split.HIDDEN, sort="score"),
    "by number": lambda archive, run_id: archive.standings(run_id, sort="number"),
    "standing": lambda archive, run_id: archive.standing(run_id, 1),
}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "archive.db"), create=True) as archive:
        yield archive


@pytest.fixture
def run(
    archive: Archive,
    new_run: Callable[..., NewRun],
    new_candidate: Callable[..., NewCandidate],
    planned: Callable[..., Planned],
    ok: Callable[..., Evaluation],
) -> RunRecord:
    run = archive.create_run(new_run())
    for number in range(3):
        key = archive.register(run.id, new_candidate(number, parents=(0,) if number else ()), planned(number))
        archive.record(key, ok())
    return run


def _plans(archive: Archive, action: Callable[[], object]) -> list[tuple[str, str]]:
    """Every step of SQLite's plans for the statements of an action, with its statement.

    INSERT is left out: its plan names the foreign keys' child tables, which SQLite visits only while a
    constraint is violated.
    """
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.startswith("INSERT"):
            seen.append((statement, parameters))

    event.listen(archive._store.engine, "before_cursor_execute", note)
    action()
    event.remove(archive._store.engine, "before_cursor_execute", note)
    steps = []
    with archive._store.reading() as connection:
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps += [(statement, row.detail) for row in rows]
    return steps


def _walks(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Steps that go through a whole growing table, or through all that a run has there."""
    return [step for step in steps if re.match(rf"SCAN ({GROWING})\b|SEARCH ({GROWING})\b.*\(run_id=\?\)$", step[1])]


@pytest.mark.parametrize("name", READS)
def test_a_read_uses_an_index_for_every_growing_table(archive: Archive, run: RunRecord, name: str) -> None:
    steps = _plans(archive, lambda: READS[name](archive, run.id))
    assert steps
    assert _walks(steps) == []


@pytest.mark.parametrize("sort", ["low", "score", "number"])
def test_the_index_gives_the_order_of_a_leaderboard(archive: Archive, run: RunRecord, sort: str) -> None:
    steps = _plans(archive, lambda: archive.standings(run.id, sort=sort))
    assert [step for step in steps if "FOR ORDER BY" in step[1] and "lineage" not in step[0]] == []


def test_recording_uses_an_index_for_every_growing_table(
    archive: Archive,
    run: RunRecord,
    new_candidate: Callable[..., NewCandidate],
    planned: Callable[..., Planned],
    ok: Callable[..., Evaluation],
) -> None:
    def change() -> None:
        archive.record(archive.register(run.id, new_candidate(3, parents=(1,)), planned(3)), ok())
        archive.record(archive.plan(run.id, planned(1, block=1)), ok(block=1))

    steps = _plans(archive, change)
    assert len(steps) > 10
    assert _walks(steps) == []
