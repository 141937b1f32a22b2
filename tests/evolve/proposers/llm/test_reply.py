"""Answers put together from what servers really send."""

from __future__ import annotations

from typing import Any

import pytest

from db.records import Usage
from evolve.proposers.llm.reply import Reply
from evolve.proposers.llm.wire import ToolCall


def piece(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "1", "choices": choices} | more


def test_text_is_joined_and_reasoning_is_left_out_but_counted() -> None:
    reply = Reply()
    reply.add(piece({"role": "assistant", "content": ""}))
    assert not reply.begun, "a model that reasons in secret has not begun"
    for delta in ({"reasoning_content": "hmm"}, {"reasoning": "hm"}, {"content": "x = "}, {"content": "1 µs"}):
        reply.add(piece(delta))
    assert (reply.text, reply.pieces, reply.bytes, reply.complete) == ("x = 1 µs", 4, 3 + 2 + 4 + 5, False)
    reply.add(piece({}, "stop"))
    assert (reply.finish, reply.complete) == ("stop", True)


def test_a_stream_with_usage_but_without_a_reason_to_stop_is_whole() -> None:
    reply = Reply()
    reply.add(piece({"content": "x"}))
    reply.ended()
    assert not reply.complete
    reply.add(piece(usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}))
    reply.ended()
    assert reply.complete


def test_tool_calls_come_in_pieces_and_even_with_equal_numbers() -> None:
    reply = Reply()
    reply.add(piece({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "top", "arguments": ""}}]}))
    reply.add(piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"n"'}}]}))
    reply.add(piece({"tool_calls": [{"index": 0, "function": {"arguments": ": 3}"}}]}))
    reply.add(piece({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "diff", "arguments": "{}"}}]}))
    assert reply.tool_calls == (
        ToolCall(id="a", name="top", arguments='{"n": 3}'),
        ToolCall(id="b", name="diff", arguments="{}"),
    )


def call(name: str | None = None, arguments: object = None, **more: Any) -> dict[str, Any]:
    return piece({"tool_calls": [{"index": 0, "function": {"name": name, "arguments": arguments}} | more]})


def test_what_is_said_again_with_each_piece_of_a_call_counts_once() -> None:
    reply = Reply()
    reply.add(call("top", "", id="call-1"))
    assert (reply.pieces, reply.bytes) == (1, 9)
    for letter in '{"n": 3}':
        reply.add(call("top", letter, id="call-1"))
    assert (reply.pieces, reply.bytes) == (9, 9 + 8)
    assert reply.tool_calls == (ToolCall(id="call-1", name="top", arguments='{"n": 3}'),)


@pytest.mark.parametrize(
    "event",
    [
        call(),
        call("top", ""),
        call(id="a"),
        piece({"tool_calls": [{}]}),
        piece({"tool_calls": [None, 3]}),
        piece({"tool_calls": [{"index": [], "id": 7, "function": {"name": 3, "arguments": 4}}]}),
    ],
)
def test_pieces_of_calls_that_bring_nothing_are_bounded(event: dict[str, Any]) -> None:
    reply = Reply()
    for _ in range(101):
        assert not reply.over(100)
        reply.add(event)
    assert reply.over(100)


def test_long_and_ever_new_identities_are_bounded() -> None:
    reply = Reply()
    reply.add(call(id="x" * 801))
    assert reply.over(100)
    reply = Reply()
    for number in range(100):
        reply.add(call(id=f"call-{number:04d}"))
    assert reply.over(100)


def whole(usage: dict[str, Any], message: dict[str, Any] | None = None) -> Reply:
    reply = Reply()
    choice = {"index": 0, "finish_reason": "stop", "message": message or {"content": "x"}}
    reply.add({"choices": [choice], "usage": usage}, whole=True)
    return reply


def test_usage_of_reasoning_models_and_caches() -> None:
    reply = whole(
        {
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "completion_tokens_details": {"reasoning_tokens": 40},
            "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
        }
    )  # fmt: skip
    assert reply.usage == Usage(prompt_tokens=100, completion_tokens=50, reasoning_tokens=40, cached_tokens=64)
    assert reply.cache_write_tokens == 16


def test_reasoning_that_only_the_total_counts_is_billed_all_the_same() -> None:
    reply = whole(
        {
            "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 150, "prompt_cache_hit_tokens": 30,
            "completion_tokens_details": {"reasoning_tokens": 40},
        }
    )  # fmt: skip
    assert reply.usage == Usage(prompt_tokens=100, completion_tokens=50, reasoning_tokens=40, cached_tokens=30)


def test_nonsense_is_taken_for_nothing() -> None:
    for event in (
        None,
        "<html>",
        {},
        {"choices": None, "usage": None},
        {"choices": [], "usage": "x"},
        {"choices": {"a": 1}},
    ):
        reply = Reply()
        reply.add(event)
        assert (reply.any_choice, reply.complete, reply.usage, reply.text) == (False, False, None, "")
    assert whole({"prompt_tokens": None, "completion_tokens": -3}).usage is None
    parts = whole({}, {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, 3]})
    assert parts.text == "ab"


def test_an_answer_is_too_long_by_its_pieces_or_by_its_bytes() -> None:
    reply = Reply()
    for _ in range(101):
        reply.add(piece({"content": "abcd"}))
    assert reply.over(100)
    assert not reply.over(101)
    letters = Reply()
    for _ in range(101):
        letters.add(piece({"content": "a"}))
    assert not letters.over(100), "some servers cut an answer into letters"
    block = Reply()
    block.add(piece({"content": "a" * 801}))
    assert block.over(100)
