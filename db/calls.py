"""Calls of language models: stored before they are sent, and charged once when they end."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, insert, select, update

from db.parts import Part, check_amounts, no_run, require_run
from db.records import ArchiveError, CallRecord, CallResult, CallState, Message, NewCall, Usage
from db.schema import calls, messages, runs
from db.texts import read_texts, write_texts

_ENDS = (CallState.ANSWERED, CallState.FAILED)
_COUNT_CALL = update(runs).where(runs.c.id == bindparam("run")).values(calls=runs.c.calls + 1)
_ADD_CALL = insert(calls).returning(calls.c.id)
_ADD_MESSAGES = insert(messages)
_END_CALL = update(calls).where(calls.c.id == bindparam("call"), calls.c.ended.is_(None)).returning(calls.c.run_id)
_CHARGE = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(tokens=runs.c.tokens + bindparam("more_tokens"), cost=runs.c.cost + bindparam("more_cost"))
)


class Calls(Part):
    """The part of an archive that remembers calls of language models; every method may be called from any thread."""

    def begin_call(self, run_id: int, call: NewCall) -> int:
        """Store a call that is about to be sent; returns its id.

        Raises:
            ArchiveError: there is no such run, or what the call holds is no amount.
        """
        check_amounts("the call to be begun", call.held_cost, {"held_tokens": call.held_tokens})
        with self._store.writing() as connection:
            if connection.execute(_COUNT_CALL, {"run": run_id}).rowcount == 0:
                raise no_run(run_id)
            row = {
                "run_id": run_id,
                "ticket": call.ticket,
                "purpose": call.purpose,
                "model": call.model,
                "held_tokens": call.held_tokens,
                "held_cost": None if call.held_cost is None else float(call.held_cost),
                "begun": self._now(),
                "state": CallState.SENT,
            }
            call_id = int(connection.execute(_ADD_CALL, row).scalar_one())
            _write_messages(connection, call_id, call.messages)
        return call_id

    def finish_call(self, call_id: int, result: CallResult) -> None:
        """Store what came of a call, once, and charge its run for it.

        Raises:
            ArchiveError: there is no such call, it ended already, or the result is none of a finished call.
        """
        if result.state not in _ENDS:
            raise ArchiveError(f"call {call_id}: {result.state} is no end; finish it as {' or '.join(_ENDS)}")
        usage = result.usage
        tokens = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
        }
        check_amounts(f"call {call_id}", result.cost, tokens)
        with self._store.writing() as connection:
            end = {
                "call": call_id,
                "state": result.state,
                "ended": self._now(),
                "answer": write_texts(connection, [result.answer])[0],
                **tokens,
                "estimated": usage.estimated,
                "cost": None if result.cost is None else float(result.cost),
                "finish": result.finish,
                "error": result.error,
            }
            run_id = connection.scalar(_END_CALL, end)
            if run_id is None:
                raise _not_under_way(connection, call_id)
            _charge(connection, run_id, usage.tokens, result.cost or 0.0)

    def abandon_calls(self, run_id: int) -> int:
        """Give up every call still under way, because the driver that sent it is gone; returns how many.

        Whether their provider billed them is unknown, so each becomes ``LOST`` and is charged what it held.
        """
        lose = (
            update(calls)
            .where(calls.c.run_id == run_id, calls.c.ended.is_(None))
            .values(
                state=CallState.LOST,
                ended=self._now(),
                prompt_tokens=0,
                completion_tokens=calls.c.held_tokens,
                reasoning_tokens=0,
                cached_tokens=0,
                estimated=True,
                cost=calls.c.held_cost,
                finish="",
                error="its driver ended before the answer came",
            )
            .returning(calls.c.held_tokens, calls.c.held_cost)
        )
        with self._store.writing() as connection:
            require_run(connection, run_id)
            lost = connection.execute(lose).all()
            tokens, cost = sum(row.held_tokens for row in lost), math.fsum(row.held_cost or 0.0 for row in lost)
            _charge(connection, run_id, tokens, cost)
        return len(lost)

    def calls(self, run_id: int, *, ticket: int | None = None, latest: int | None = None) -> list[CallRecord]:
        """Calls of a run with everything said in them, the newest last.

        Args:
            run_id: the run.
            ticket: only those made for this draft; None for all.
            latest: only so many, the newest; None for all.
        """
        wanted = calls.c.run_id == run_id
        if ticket is not None:
            wanted &= calls.c.ticket == ticket
        with self._store.reading() as connection:
            require_run(connection, run_id)
            return _read_calls(connection, wanted, latest)


def _write_messages(connection: Connection, call_id: int, said: tuple[Message, ...]) -> None:
    if said:
        text_ids = write_texts(connection, [message.text for message in said])
        rows = [
            {"call_id": call_id, "position": position, "role": message.role, "text_id": text_id}
            for position, (message, text_id) in enumerate(zip(said, text_ids, strict=True))
        ]
        connection.execute(_ADD_MESSAGES, rows)


def _charge(connection: Connection, run_id: int, tokens: int, cost: float) -> None:
    connection.execute(_CHARGE, {"run": run_id, "more_tokens": tokens, "more_cost": float(cost)})


def _not_under_way(connection: Connection, call_id: int) -> ArchiveError:
    state = connection.scalar(select(calls.c.state).where(calls.c.id == call_id))
    if state is None:
        return ArchiveError(f"no call with id {call_id} in this archive; take the id from begin_call()")
    return ArchiveError(f"call {call_id} ended already ({state}); nothing is charged twice")


def _read_calls(connection: Connection, wanted: ColumnElement[bool], latest: int | None) -> list[CallRecord]:
    page = select(calls.c.id).where(wanted).order_by(calls.c.id.desc()).limit(latest)
    said: defaultdict[int, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    query = select(messages).where(messages.c.call_id.in_(page)).order_by(messages.c.call_id, messages.c.position)
    for row in connection.execute(query):
        said[row.call_id].append(row)
    text_ids: Select[Any] = select(messages.c.text_id).where(messages.c.call_id.in_(page))
    texts = read_texts(connection, text_ids)
    texts |= read_texts(connection, select(calls.c.answer).where(calls.c.id.in_(page)))
    rows = connection.execute(select(calls).where(calls.c.id.in_(page)).order_by(calls.c.id))
    return [
        _call_record(row, tuple(Message(role=one.role, text=texts[one.text_id]) for one in said[row.id]), texts)
        for row in rows
    ]


def _call_record(row: Row[*tuple[Any, ...]], said: tuple[Message, ...], texts: dict[int, str]) -> CallRecord:
    result = None
    if row.state is not CallState.SENT:
        result = CallResult(
            state=row.state,
            answer="" if row.answer is None else texts[row.answer],
            usage=Usage(
                prompt_tokens=row.prompt_tokens,
                completion_tokens=row.completion_tokens,
                reasoning_tokens=row.reasoning_tokens,
                cached_tokens=row.cached_tokens,
                estimated=row.estimated,
            ),
            cost=row.cost,
            finish=row.finish,
            error=row.error,
        )
    call = NewCall(
        ticket=row.ticket,
        purpose=row.purpose,
        model=row.model,
        messages=said,
        held_tokens=row.held_tokens,
        held_cost=row.held_cost,
    )
    return CallRecord(id=row.id, run_id=row.run_id, call=call, result=result, begun=row.begun, ended=row.ended)
