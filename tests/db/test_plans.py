"""Calls, notes, orders and arms cost what they return: no statement walks through all that a run has there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from db.archive import Archive
from db.records import ArmRecord, CallResult, CallState, Message, NewCall, Note, NoteKind, Order, RunRecord, Usage

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
CALL = NewCall(
    ticket=1,
    purpose="edit",
    model="m",
    messages=(Message(role="user", text="improve"),),
    held_tokens=9,
    held_cost=None,
)
ANSWER = CallResult(state=CallState.ANSWERED, answer="x", usage=Usage(prompt_tokens=1), cost=0.1)
NOTE = Note(kind=NoteKind.INSIGHTS, text="x", author="me", number=0)
ORDER = Order(ticket=1, asker="me", parent=0, inspirations=(0,), issued=MOMENT, expires=MOMENT)


ARM = ArmRecord(
    arm=("operators", "graft", "", "adaptive"),
    pulls=1,
    in_flight=0,
    candidates=1,
    ok=1,
    improved=0,
    weight=1.0,
    reward=0.0,
    cost=0.01,
    seconds=0.5,
    tokens=0,
    usd=0.0,
    index=1.0,
)


def _call(archive: Archive, run_id: int) -> None:
    archive.finish_call(archive.begin_call(run_id, CALL), ANSWER)


def _abandon(archive: Archive, run_id: int) -> None:
    archive.begin_call(run_id, CALL)
    archive.abandon_calls(run_id)


def _order(archive: Archive, run_id: int) -> None:
    ticket = archive.next_ticket(run_id)
    archive.place_order(run_id, replace(ORDER, ticket=ticket))
    archive.reissue_order(run_id, ticket, asker="you", issued=MOMENT, expires=MOMENT)
    archive.settle_order(run_id, ticket, 0)


# Name -> what is done, and the index that must lead to it.
ACTIONS: dict[str, tuple[Callable[[Archive, int], object], str]] = {
    "call": (_call, "calls USING INTEGER PRIMARY KEY"),
    "abandon": (_abandon, "calls USING INDEX calls_under_way"),
    "latest calls": (lambda archive, run_id: archive.calls(run_id, latest=2), "calls_by_run"),
    "a draft's calls": (lambda archive, run_id: archive.calls(run_id, ticket=1), "calls_by_ticket"),
    "note": (lambda archive, run_id: archive.add_note(run_id, NOTE), "candidates USING"),
    "latest notes": (lambda archive, run_id: archive.notes(run_id, latest=2), "notes_by_run"),
    "insights": (lambda archive, run_id: archive.notes(run_id, kind=NoteKind.INSIGHTS), "notes_by_kind"),
    "order": (_order, r"orders USING INDEX \w+ \(run_id=\? AND ticket=\?\)"),
    "store arms": (lambda archive, run_id: archive.save_arms(run_id, [ARM]), "arms USING"),
    "arms": (lambda archive, run_id: archive.arms(run_id), "arms USING"),
    "open orders": (lambda archive, run_id: archive.open_orders(run_id), "orders_by_state"),
}
# These give the newest of a run or those under way, and stop there.
STOPPING = r"notes_by_run|calls_by_run|calls_under_way"


@pytest.mark.parametrize("name", ACTIONS)
def test_every_statement_uses_an_index(archive: Archive, run: RunRecord, add: Callable[..., int], name: str) -> None:
    add(0)
    _call(archive, run.id)
    archive.add_note(run.id, NOTE)
    _order(archive, run.id)
    action, index = ACTIONS[name]
    steps = _plans(archive, lambda: action(archive, run.id))
    assert any(re.search(index, step) for step in steps), steps
    walks = [
        step
        for step in steps
        if re.match(r"SCAN (?!CONSTANT)|SEARCH (calls|messages|notes|orders|candidates) .*\(run_id=\?\)$", step)
        and not re.search(STOPPING, step)
    ]
    assert walks == []
    assert [step for step in steps if "FOR ORDER BY" in step] == []


def _plans(archive: Archive, action: Callable[[], object]) -> list[str]:
    """Every step of SQLite's plans for the reads and updates of an action."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.startswith("INSERT"):
            seen.append((statement, parameters))

    event.listen(archive._store.engine, "before_cursor_execute", note)
    action()
    event.remove(archive._store.engine, "before_cursor_execute", note)
    with archive._store.reading() as connection:
        return [
            row.detail
            for statement, parameters in seen
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
