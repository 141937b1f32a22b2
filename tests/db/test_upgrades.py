"""Archives of older versions: everything in them stays, and they can do what new ones can."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import (
    ArmRecord,
    CallResult,
    CallState,
    Message,
    NewCall,
    NewCandidate,
    Note,
    NoteKind,
    Order,
    Planned,
    Usage,
    VainPulls,
)
from evaluators.model import Evaluation, Outcome, Split
from evaluators.statistics import stratified

VERSION_2 = Path(__file__).with_name("version2.sql")  # what a release of that version wrote, as `.dump` shows it
VERSION_3 = Path(__file__).with_name("version3.sql")  # likewise, with a second run of calls, a note and an order
BACK_TO_1 = "ALTER TABLE samples DROP COLUMN stratum; UPDATE schema_version SET version = 1;"


@pytest.fixture(params=[1, 2, 3])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((VERSION_3 if request.param == 3 else VERSION_2).read_text())
        if request.param == 1:
            raw.executescript(BACK_TO_1)
    return path


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the version's; of the columns that version 1 had, where it had the table."""
    with closing(sqlite3.connect(path)) as raw:
        tables = [
            (name, ", ".join(row[1] for row in raw.execute(f"PRAGMA table_info({name})") if row[1] != "stratum"))
            for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if name != "schema_version"
        ]
        return {
            f"{name}({columns})": raw.execute(f"SELECT {columns} FROM {name}").fetchall() for name, columns in tables
        }


def _bits(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row in which 0 and 0.0 differ."""
    return tuple((type(value), value) for value in row)


def _schema(path: Path) -> dict[str, object]:
    """Columns, foreign keys, indexes and their conditions, whatever order and spelling made them."""
    with closing(sqlite3.connect(path)) as raw:
        shape: dict[str, object] = {}
        names = raw.execute("SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        for name, kind, sql in names:
            if kind == "index":
                condition = sql.partition(" WHERE ")[2]
                shape[name] = (raw.execute(f"PRAGMA index_xinfo({name})").fetchall(), condition)
                continue
            # Name, type, nullable, default, place in the key; the order differs where a column was added later.
            columns = {row[1:] for row in raw.execute(f"PRAGMA table_info({name})")}
            keys = {row[2:] for row in raw.execute(f"PRAGMA foreign_key_list({name})")}
            unique = {
                tuple(part[2] for part in raw.execute(f"PRAGMA index_info({row[1]})"))
                for row in raw.execute(f"PRAGMA index_list({name})")
                if row[2]
            }
            shape[name] = (columns, keys, unique, "WITHOUT ROWID" in sql)
        return shape


def test_every_row_stays_as_it_is(old: Path) -> None:
    before = _rows(old)
    Archive.open(str(old)).close()
    with closing(sqlite3.connect(old)) as raw:
        assert raw.execute("SELECT application, version FROM schema_version").fetchall() == [("evolve", 4)]
        after = {
            table: raw.execute(f"SELECT {table[:-1].partition('(')[2]} FROM {table.partition('(')[0]}").fetchall()
            for table in before
        }
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(before) in (10, 15)
    assert {table: [_bits(row) for row in rows] for table, rows in after.items()} == {
        table: [_bits(row) for row in rows] for table, rows in before.items()
    }


def test_it_becomes_what_a_new_archive_is(old: Path, tmp_path: Path) -> None:
    Archive.open(str(old)).close()
    Archive.open(str(tmp_path / "new.db"), create=True).close()
    assert _schema(old) == _schema(tmp_path / "new.db")


def test_what_was_recorded_reads_back(old: Path) -> None:
    with Archive.open(str(old)) as archive:
        run = archive.run("first")
        assert (run.candidates, run.duplicates, run.elapsed_seconds, run.best) == (3, 2, 2.25, 0)
        assert (run.calls, run.tokens, run.cost) == (0, 0, 0.0)
        assert isinstance(run.cost, float)
        assert (run.played_workloads, run.played_seconds, run.spared_workloads, run.spared_seconds) == (2, 0.25, 0, 0.0)
        assert isinstance(run.spared_seconds, float)
        candidate = archive.candidate(run.id, 2)
        assert (candidate.parents, candidate.note, candidate.ticket) == ((1, 0), "change 2", None)
        assert (candidate.arm, candidate.refused, candidate.tokens, candidate.cost) == (None, (), 0, 0.0)
        assert isinstance(candidate.cost, float)
        verdict = archive.evaluations(run.id, 1)[0].evaluation
        assert verdict is not None
        assert verdict.spared == 0
        assert archive.arms(run.id) == ()
        assert archive.standing(run.id, 0).estimates == {Split.TRAIN: stratified([10.0, 14.0], [0.5, 0.5], ["a", "a"])}
        assert [record.planned.number for record in archive.unfinished(run.id)] == [2]
        assert archive.standing(run.id, 1).outcome is Outcome.CRASHED
        assert (archive.calls(run.id), archive.notes(run.id), archive.open_orders(run.id)) == ([], [], [])


def test_the_search_goes_on_with_calls_notes_and_orders(
    old: Path,
    new_candidate: Callable[..., NewCandidate],
    planned: Callable[..., Planned],
    ok: Callable[..., Evaluation],
) -> None:
    said = (Message(role="user", text="improve it"),)
    with Archive.open(str(old)) as archive:
        run = archive.run("first")
        ticket = archive.next_ticket(run.id)
        call = NewCall(ticket=ticket, purpose="edit", model="m", messages=said, held_tokens=50, held_cost=0.5)
        key = archive.begin_call(run.id, call)
        usage = Usage(prompt_tokens=3, completion_tokens=4)
        archive.finish_call(key, CallResult(state=CallState.ANSWERED, answer="no", usage=usage, cost=0.1))
        archive.add_note(run.id, Note(kind=NoteKind.INSIGHTS, text="less is more", author="llm:m", number=2))
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        archive.place_order(
            run.id, Order(ticket=ticket, asker="me", parent=2, inspirations=(0,), issued=moment, expires=moment)
        )
        archive.record(archive.register(run.id, new_candidate(3, parents=(2,)), planned(3)), ok())
        archive.settle_order(run.id, ticket, 3)
    with Archive.open(str(old)) as archive:
        again = archive.run("first")
        assert (again.candidates, again.calls, again.tokens, again.cost) == (4, 1, 7, 0.1)
        assert archive.calls(run.id, ticket=ticket)[0].call == call
        assert archive.order(run.id, ticket).number == 3
        assert archive.next_ticket(run.id) == ticket + 1


def test_what_was_judged_before_is_counted_without_final_measurements(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(VERSION_3.read_text())
    with Archive.open(str(path)) as archive:
        run = archive.run("second")
        assert [len(record.evaluation.workloads) for _, record in archive.history(run.id) if record.evaluation] == [
            3,
            1,
            2,
            2,  # the final one
        ]
        assert (run.played_workloads, run.played_seconds) == (6, 0.25 + 0.25 + 0.5)
        (call,) = archive.calls(run.id, ticket=archive.candidate(run.id, 0).ticket)
        assert call.result is not None
        assert (call.result.answer, call.result.cost) == ("no", 0.1)
        assert [note.text for note in archive.notes(run.id)] == ["less is more"]
        assert [order.ticket for order in archive.open_orders(run.id)] == [2]
    with Archive.open(str(path)) as archive:
        assert archive.run("second") == run


def test_the_search_goes_on_with_arms_and_races(
    old: Path,
    new_candidate: Callable[..., NewCandidate],
    planned: Callable[..., Planned],
    ok: Callable[..., Evaluation],
) -> None:
    arm = ("operators", "graft", "", "adaptive")
    vain = VainPulls(arm=arm, times=2, tokens=3, cost=0.25)
    new = replace(
        new_candidate(3, parents=(2,)),
        arm=arm,
        refused=(vain,),
        tokens=7,
        cost=0.5,
    )
    record = ArmRecord(
        arm=arm,
        pulls=3,
        in_flight=0,
        candidates=1,
        ok=0,
        improved=0,
        weight=2.5,
        reward=0.0,
        cost=0.01,
        seconds=0.25,
        tokens=7,
        usd=0.5,
        index=1.5,
    )
    stopped = Evaluation(
        problem="eplb",
        split=Split.TRAIN,
        block=0,
        digest="w1",
        outcome=Outcome.STOPPED,
        reason="behind",
        workloads=ok().workloads,
        seconds=0.5,
        spared=6,
    )
    with Archive.open(str(old)) as archive:
        before = archive.run("first")
        archive.record(archive.register(before.id, new, planned(3)), stopped)
        archive.save_arms(before.id, [record])
    with Archive.open(str(old)) as archive:
        run = archive.run("first")
        read = archive.candidate(run.id, 3)
        assert (read.arm, read.refused, read.tokens, read.cost) == (arm, (vain,), 7, 0.5)
        assert archive.arms(run.id) == (record,)
        assert run.played_workloads == before.played_workloads + 2
        assert run.played_seconds == before.played_seconds + 0.5
        assert (run.spared_workloads, run.spared_seconds) == (6, 1.5)


def test_draws_without_a_stratum_are_pooled_by_workload(
    tmp_path: Path, planned: Callable[..., Planned], ok: Callable[..., Evaluation]
) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(VERSION_2.read_text() + BACK_TO_1)
    with Archive.open(str(path)) as archive:
        run = archive.run("first")
        first = archive.evaluations(run.id, 0)[0].evaluation
        assert first is not None
        assert [(result.stratum, result.kind) for result in first.workloads] == [("", "kind0"), ("", "kind1")]
        archive.record(archive.plan(run.id, planned(0, block=1)), ok((20.0, 21.5), block=1))
        pooled = stratified([10.0, 14.0, 20.0, 21.5], [0.5] * 4, ["old 0", "old 1", "new", "new"])
        assert archive.standing(run.id, 0).estimates == {Split.TRAIN: pooled}
    with Archive.open(str(path)) as archive:
        new = archive.evaluations(run.id, 0)[1].evaluation
        assert new is not None
        assert [result.stratum for result in new.workloads] == ["law 0", "law 0"]
