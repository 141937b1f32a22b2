"""What every archive promises of calls of language models."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from db.archive import Archive
from db.records import (
    ArchiveError,
    CallResult,
    CallState,
    Message,
    NewCall,
    NewCandidate,
    NewRun,
    Planned,
    RunRecord,
    Usage,
)

SYSTEM = Message(role="system", text="You improve programs. " * 50)
CALL = NewCall(
    ticket=7,
    purpose="edit",
    model="small",
    messages=(SYSTEM, Message(role="user", text="improve é \U0001f600")),
    held_tokens=1000,
    held_cost=0.25,
)
USAGE = Usage(prompt_tokens=100, completion_tokens=20, reasoning_tokens=5, cached_tokens=60)
ANSWER = CallResult(state=CallState.ANSWERED, answer="<<<<\nx\n", usage=USAGE, cost=0.1, finish="stop")


class TestCallConformance:
    def test_a_call_is_stored_before_it_is_sent(self, url: str, archive: Archive, run: RunRecord) -> None:
        key = archive.begin_call(run.id, CALL)
        with Archive.open(url) as other:
            (record,) = other.calls(run.id)
            assert (record.id, record.run_id, record.call) == (key, run.id, CALL)
            assert (record.result, record.ended) == (None, None)
            now = other.run_by_id(run.id)
        assert (now.calls, now.tokens, now.cost) == (1, 0, 0.0)

    def test_an_ended_call_reads_back_and_is_charged(self, archive: Archive, run: RunRecord) -> None:
        key = archive.begin_call(run.id, CALL)
        archive.finish_call(key, ANSWER)
        (record,) = archive.calls(run.id)
        assert (record.call, record.result) == (CALL, ANSWER)
        assert record.ended is not None
        assert run.created < record.begun < record.ended
        now = archive.run_by_id(run.id)
        assert (now.calls, now.tokens, now.cost) == (1, 120, 0.1)

    def test_a_call_of_unknown_price_costs_tokens_only(self, archive: Archive, run: RunRecord) -> None:
        key = archive.begin_call(run.id, replace(CALL, held_cost=None, messages=(), ticket=None))
        failed = CallResult(
            state=CallState.FAILED, answer="", usage=Usage(completion_tokens=3, estimated=True), cost=None, error="cut"
        )
        archive.finish_call(key, failed)
        (record,) = archive.calls(run.id)
        assert (record.call.held_cost, record.call.messages, record.call.ticket) == (None, (), None)
        assert record.result == failed
        now = archive.run_by_id(run.id)
        assert (now.tokens, now.cost) == (3, 0.0)

    def test_a_call_ends_once(self, archive: Archive, run: RunRecord) -> None:
        key = archive.begin_call(run.id, CALL)
        archive.finish_call(key, ANSWER)
        before = (archive.calls(run.id), archive.run_by_id(run.id))
        with pytest.raises(ArchiveError, match=rf"call {key} ended already \(answered\); nothing is charged twice"):
            archive.finish_call(key, replace(ANSWER, answer="other", cost=9.0))
        assert (archive.calls(run.id), archive.run_by_id(run.id)) == before
        with pytest.raises(ArchiveError, match="no call with id 99"):
            archive.finish_call(99, ANSWER)

    @pytest.mark.parametrize("cost", [0.1 + 0.2, 5e-324, 3.0, 0.0, 1e-7 / 3])
    def test_a_cost_is_exact(self, archive: Archive, run: RunRecord, cost: float) -> None:
        archive.finish_call(archive.begin_call(run.id, replace(CALL, held_cost=cost)), replace(ANSWER, cost=cost))
        (record,) = archive.calls(run.id)
        assert record.result is not None
        assert record.result.cost is not None
        assert record.call.held_cost is not None
        read = (record.result.cost, record.call.held_cost, archive.run_by_id(run.id).cost)
        assert [value.hex() for value in read] == [cost.hex()] * 3

    def test_amounts_are_checked(self, archive: Archive, run: RunRecord) -> None:
        key = archive.begin_call(run.id, CALL)
        wrong: list[tuple[Callable[[], object], str]] = [
            (lambda: archive.finish_call(key, replace(ANSWER, cost=math.nan)), f"call {key}: a cost of nan"),
            (lambda: archive.finish_call(key, replace(ANSWER, cost=-0.1)), "a cost of -0.1"),
            (lambda: archive.finish_call(key, replace(ANSWER, usage=Usage(prompt_tokens=-1))), "prompt_tokens is -1"),
            (lambda: archive.finish_call(key, replace(ANSWER, state=CallState.LOST)), "lost is no end; finish it as"),
            (lambda: archive.begin_call(run.id, replace(CALL, held_cost=math.inf)), "a cost of inf"),
            (lambda: archive.begin_call(run.id, replace(CALL, held_tokens=-5)), "held_tokens is -5"),
        ]
        for action, message in wrong:
            with pytest.raises(ArchiveError, match=message):
                action()
        now = archive.run_by_id(run.id)
        assert (now.calls, now.tokens, now.cost) == (1, 0, 0.0)

    def test_what_a_model_wrote_is_kept_readable(self, archive: Archive, run: RunRecord) -> None:
        odd = replace(CALL, messages=(Message(role="tool", text="a\0b \ud800"), Message(role="tool", text="a\\x00b")))
        key = archive.begin_call(run.id, odd)
        archive.finish_call(key, replace(ANSWER, answer="a\0b", finish="st\0p", error="\udcff"))
        (record,) = archive.calls(run.id)
        assert [message.text for message in record.call.messages] == ["a\\x00b \\ud800", "a\\x00b"]
        assert record.result is not None
        assert (record.result.answer, record.result.finish, record.result.error) == ("a\\x00b", "st\\x00p", "\\udcff")

    def test_abandoned_calls_are_charged_once_what_they_held(
        self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]
    ) -> None:
        other = archive.create_run(new_run("second"))
        archive.begin_call(other.id, CALL)
        archive.finish_call(archive.begin_call(run.id, CALL), ANSWER)
        keys = [
            archive.begin_call(run.id, CALL),
            archive.begin_call(run.id, replace(CALL, held_tokens=11, held_cost=None)),
            archive.begin_call(run.id, replace(CALL, held_tokens=0, held_cost=0.5)),
        ]
        assert archive.abandon_calls(run.id) == 3
        assert archive.abandon_calls(run.id) == 0
        now = archive.run_by_id(run.id)
        assert (now.calls, now.tokens, now.cost) == (4, 120 + 1011, 0.1 + 0.75)
        lost = [record.result for record in archive.calls(run.id, latest=3)]
        assert [(one.state, one.usage.tokens, one.usage.estimated, one.cost) for one in lost if one] == [
            (CallState.LOST, 1000, True, 0.25),
            (CallState.LOST, 11, True, None),
            (CallState.LOST, 0, True, 0.5),
        ]
        assert sum(record.result.usage.tokens for record in archive.calls(run.id) if record.result) == now.tokens
        with pytest.raises(ArchiveError, match=r"ended already \(lost\)"):
            archive.finish_call(keys[0], ANSWER)
        assert archive.calls(other.id)[0].result is None

    def test_calls_are_found_by_ticket_and_by_age(
        self,
        archive: Archive,
        run: RunRecord,
        new_run: Callable[..., NewRun],
        new_candidate: Callable[..., NewCandidate],
        planned: Callable[..., Planned],
    ) -> None:
        other = archive.create_run(new_run("second"))
        archive.begin_call(other.id, replace(CALL, ticket=1))
        keys = [archive.begin_call(run.id, replace(CALL, ticket=ticket)) for ticket in (1, None, 2, 1, 2)]

        def found(**options: Any) -> list[int]:
            return [keys.index(record.id) for record in archive.calls(run.id, **options)]

        assert found() == [0, 1, 2, 3, 4]
        assert found(latest=2) == [3, 4]
        assert found(latest=0) == []
        assert found(ticket=1) == [0, 3]
        assert found(ticket=1, latest=1) == [3]
        assert found(ticket=9) == []
        archive.register(run.id, replace(new_candidate(0), ticket=2), planned(0))
        ticket = archive.candidate(run.id, 0).ticket
        assert ticket == 2
        assert found(ticket=ticket) == [2, 4]

    def test_an_unknown_run_is_named(self, archive: Archive, run: RunRecord) -> None:
        actions: list[Callable[[], object]] = [
            lambda: archive.begin_call(99, CALL),
            lambda: archive.abandon_calls(99),
            lambda: archive.calls(99),
        ]
        for action in actions:
            with pytest.raises(ArchiveError, match="no run with id 99"):
                action()
        assert archive.run_by_id(run.id) == run


class TestTexts:
    def test_a_text_is_stored_once(self, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]) -> None:
        other = archive.create_run(new_run("second"))
        for owner in (run, run, other):
            key = archive.begin_call(owner.id, replace(CALL, messages=(SYSTEM, SYSTEM)))
            archive.finish_call(key, replace(ANSWER, answer=SYSTEM.text))
        with archive._store.reading() as connection:
            assert connection.exec_driver_sql("SELECT text FROM texts").scalars().all() == [SYSTEM.text]
        assert [record.call.messages for record in archive.calls(run.id)] == [(SYSTEM, SYSTEM)] * 2

    def test_a_long_conversation_stays_cheap(self, archive: Archive, run: RunRecord) -> None:
        """Twenty turns of 10 KB each: the whole of what was sent is ten times what is stored."""
        said: tuple[Message, ...] = (SYSTEM,)
        for turn in range(20):
            said = (*said, Message(role="user", text=f"{turn} result " * 1000))
            key = archive.begin_call(run.id, replace(CALL, messages=said))
            answer = f"{turn} try"
            archive.finish_call(key, replace(ANSWER, answer=answer))
            said = (*said, Message(role="assistant", text=answer))
        sent = sum(len(message.text) for record in archive.calls(run.id) for message in record.call.messages)
        with archive._store.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            size = pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        assert archive.calls(run.id, latest=1)[0].call.messages == said[:-1]
        assert size < sent / 4


class TestThreads:
    def test_threads_share_one_archive_and_totals_are_exact(self, archive: Archive, run: RunRecord) -> None:
        """Eight threads write while two read; costs are powers of two, so their sum is exact in any order."""
        done = threading.Event()

        def write(worker: int) -> None:
            for turn in range(20):
                said = (SYSTEM, Message(role="user", text=f"turn {turn}"))
                call = replace(CALL, ticket=archive.next_ticket(run.id), messages=said)
                usage = Usage(prompt_tokens=worker, completion_tokens=turn)
                result = replace(ANSWER, answer=f"answer {turn}", usage=usage, cost=2.0**-worker)
                archive.finish_call(archive.begin_call(run.id, call), result)

        def read() -> None:
            while not done.is_set():
                records = archive.calls(run.id, latest=5)
                assert all(record.call.messages[0] == SYSTEM for record in records)
                assert archive.run_by_id(run.id).calls >= len(records)

        with ThreadPoolExecutor(10) as threads:
            readers = [threads.submit(read) for _ in range(2)]
            writers = [threads.submit(write, worker) for worker in range(8)]
            try:
                for writer in writers:
                    writer.result(timeout=60)
            finally:
                done.set()
            for reader in readers:
                reader.result(timeout=60)
        now = archive.run_by_id(run.id)
        assert (now.calls, now.tokens) == (160, 20 * sum(range(8)) + 8 * sum(range(20)))
        assert now.cost == 20 * sum(2.0**-worker for worker in range(8))
        records = archive.calls(run.id)
        assert sorted(record.call.ticket or 0 for record in records) == list(range(1, 161))
        with archive._store.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM texts").scalar_one() == 41

    def test_more_threads_than_a_pool_of_usual_size_may_read_at_once(self, archive: Archive, run: RunRecord) -> None:
        together = threading.Barrier(24)

        def read(_worker: int) -> bool:
            with archive._store.reading():
                together.wait(timeout=20)  # every thread holds a connection now
                return archive.run_by_id(run.id) == run

        with ThreadPoolExecutor(24) as threads:
            assert list(threads.map(read, range(24), timeout=60)) == [True] * 24


def test_a_crash_between_the_statements_leaves_no_half_of_a_call(
    url: str, archive: Archive, run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("pulled the plug")

    key = archive.begin_call(run.id, CALL)
    before = (archive.calls(run.id), archive.run_by_id(run.id))
    monkeypatch.setattr("db.calls._charge", die)
    monkeypatch.setattr("db.calls._write_messages", die)
    for action in (lambda: archive.finish_call(key, ANSWER), lambda: archive.begin_call(run.id, CALL)):
        with pytest.raises(RuntimeError, match="plug"):
            action()
    assert (archive.calls(run.id), archive.run_by_id(run.id)) == before
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
        assert raw.execute("SELECT count(*) FROM texts").fetchone() == (2,)
