from __future__ import annotations

from typing import Any

import pytest

from db.records import CallResult, CallState, Message, NewCall, NewCandidate, Planned, Purpose, Usage
from evaluators.model import Split
from reports.conversation import conversation
from reports.text import ReportError

FIRST = (Message(role="system", text="the rules"), Message(role="user", text="improve this"))


def call(built: Any, ticket: int, messages: tuple[Message, ...], result: CallResult | None) -> None:
    new = NewCall(ticket=ticket, purpose="edit", model="small", messages=messages, held_tokens=900, held_cost=0.01)
    number = built.archive.begin_call(built.id, new)
    if result is not None:
        built.archive.finish_call(number, result)


def answered(text: str, **usage: Any) -> CallResult:
    used = Usage(prompt_tokens=1200, completion_tokens=34, **usage)
    return CallResult(state=CallState.ANSWERED, answer=text, usage=used, cost=0.00123, finish="stop")


@pytest.fixture
def asked(new_run: Any) -> Any:
    built = new_run()
    ticket = built.archive.next_ticket(built.id)
    call(built, ticket, FIRST, answered("no \x1b[31mprogram"))
    again = (*FIRST, Message(role="assistant", text="no"), Message(role="user", text="answer again"))
    call(built, ticket, again, CallResult(state=CallState.FAILED, answer="", usage=Usage(), cost=0.0, error="cut off"))
    call(built, ticket, again, answered("a program", reasoning_tokens=20, estimated=True))
    candidate = NewCandidate(
        number=0, source="x = 1\n", digest="d", proposer="llm", operator="edit by small", ticket=ticket
    )
    planned = Planned(number=0, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
    built.archive.register(built.id, candidate, planned)
    return built


def test_a_conversation_is_told_once_with_what_it_cost(asked: Any) -> None:
    text = conversation(asked.archive, asked.run, 0)
    assert text.count("the rules") == 1
    assert text.count("answer again") == 1
    assert "edit · small · answered · 1,200 tokens read, 34 written · $0.0012 ━━" in text
    assert "about 1,200 tokens read, 34 written · 20 of them reasoning" in text
    assert "── failed: cut off" in text
    assert text.index("no \\x1b[31mprogram") < text.index("answer again") < text.index("a program")
    assert "\x1b" not in text


def test_a_request_under_way_or_lost_is_said_to_be(asked: Any) -> None:
    call(asked, 1, FIRST, None)
    assert "small · under way ━━" in conversation(asked.archive, asked.run, 0)
    asked.archive.abandon_calls(asked.id)
    assert "── lost: " in conversation(asked.archive, asked.run, 0)


def test_who_came_of_no_model_has_no_conversation(new_run: Any) -> None:
    built = new_run()
    built.add([1.0, 2.0])
    with pytest.raises(ReportError, match="came of no language model"):
        conversation(built.archive, built.run, 0)
