"""Every way in which servers misbehave ends in an answer or in the right exception, and the books are right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from db.records import CallState
from evolve.proposers.llm.chat import (
    ATTEMPTS,
    ChatError,
    Completion,
    ContextOverflowError,
    ProviderError,
    RefusedError,
    Setback,
    ToolCall,
    ToolSpec,
    Turn,
    list_models,
)
from evolve.spending import Allowance, SpentError

PROMPT = "Improve it.\n```python\n" + "\n".join(f"X{n} = {n}.5" for n in range(40)) + "\n```"
TURNS = (Turn(role="system", text="You improve programs."), Turn(role="user", text=PROMPT))
TOOL = ToolSpec(name="top", description="Show the best.")

Start = Callable[..., Any]


def long_answer(prompt: str, rng: Any) -> str:
    return "".join(f"line {n} {rng.random()}\n" for n in range(60))


def ask(talk: Any, command: str, turns: tuple[Turn, ...] = TURNS, **more: Any) -> Completion:
    asking = {key: more.pop(key) for key in ("tools", "max_tokens") if key in more}
    model = talk.model(command, **more)

    async def scenario() -> Completion:
        return await talk.chat.complete(model, turns, ticket=3, purpose="edit", **asking)

    result: Completion = talk.run(scenario)
    return result


def exact(talk: Any) -> bool:
    """Whether rows and books agree, request by request."""
    entries = talk.server.books()["requests"]
    rows = [(row.usage.prompt_tokens, row.usage.completion_tokens) for row in talk.rows.ordered]
    return rows == [(entry["prompt_tokens"], entry["completion_tokens"]) for entry in entries]


def covered(talk: Any) -> bool:
    """Whether no request was billed more than its row was charged."""
    entries = talk.server.books()["requests"]
    billed = [entry["prompt_tokens"] + entry["completion_tokens"] for entry in entries]
    return len(billed) == len(talk.rows.ordered) and all(
        row.usage.tokens >= tokens for row, tokens in zip(talk.rows.ordered, billed, strict=True)
    )


def test_an_answer_with_its_usage_and_cost(serve: Start, talk: Start) -> None:
    talking = talk(serve(answer=long_answer))
    done = ask(talking, "fine")
    assert done.text.startswith("line 0 ")
    assert done.finish == "stop"
    assert done.cost == pytest.approx((done.usage.prompt_tokens + 2 * done.usage.completion_tokens) / 1e6)
    assert exact(talking)
    (call,) = talking.rows.calls
    assert (call.ticket, call.purpose, call.model) == (3, "edit", "faulty:fine")
    assert [message.text for message in call.messages] == [turn.text for turn in TURNS]
    assert call.held_tokens >= done.usage.prompt_tokens + 2000
    (body,) = talking.server.bodies
    assert body["max_tokens"] == 2000
    assert "temperature" not in body


@pytest.mark.parametrize(
    "command", ["429*2", "429_date*2", "500*3", "503*3", "empty_choices*2", "empty_text*2", "drop*1"]
)
@pytest.mark.parametrize("streams", [True, False])
def test_what_passes_is_tried_again(serve: Start, talk: Start, command: str, streams: bool) -> None:
    talking = talk(serve())
    assert ask(talking, command if streams else command + "+no_stream").text
    assert talking.rows.ordered[-1].state is CallState.ANSWERED
    assert covered(talking)
    assert exact(talking) or "drop" in command, "whether a dropped request was billed, nobody can know"


@pytest.mark.parametrize("command", ["cut*2", "malformed*2"])
@pytest.mark.parametrize("streams", [True, False])
def test_a_cut_answer_is_charged_by_estimate_and_tried_again(
    serve: Start, talk: Start, command: str, streams: bool
) -> None:
    talking = talk(serve(answer=long_answer))
    assert ask(talking, command if streams else command + "+no_stream").text.endswith("\n")
    failed = [row for row in talking.rows.ordered if row.usage.estimated]
    # The refusal of the stream was the first of the two requests that would have been cut.
    assert len(failed) == (2 if streams else 1)
    assert all(row.state is CallState.FAILED for row in failed)
    assert all(row.answer.startswith("line 0") for row in failed) == streams
    assert covered(talking)


@pytest.mark.parametrize(
    ("command", "setback"),
    [
        ("429", Setback.BUSY),
        ("500", Setback.PASSING),
        ("503", Setback.PASSING),
        ("cut", Setback.PASSING),
        ("malformed", Setback.PASSING),
        ("drop", Setback.PASSING),
        ("empty_choices", Setback.EMPTY),
        ("empty_text", Setback.EMPTY),
    ],
)
def test_what_does_not_pass_is_given_up(serve: Start, talk: Start, command: str, setback: Setback) -> None:
    talking = talk(serve(answer=long_answer))
    with pytest.raises(ChatError, match=f"{ATTEMPTS[setback]} attempts") as caught:
        ask(talking, command)
    assert type(caught.value) is ChatError
    assert len(talking.rows.calls) == ATTEMPTS[setback] == len(talking.server.entries)
    assert covered(talking)


@pytest.mark.parametrize("command", ["refused", "filter", "no_stream+refused"])
def test_a_refusal_is_not_tried_again(serve: Start, talk: Start, command: str) -> None:
    talking = talk(serve())
    with pytest.raises(RefusedError):
        ask(talking, command)
    assert exact(talking)
    assert "no_stream" in command or len(talking.rows.calls) == 1


@pytest.mark.parametrize(("command", "hint"), [("quota", "credit"), ("forbidden", "key"), ("unknown", "name")])
def test_what_nothing_helps_against_says_how_to_mend_it(serve: Start, talk: Start, command: str, hint: str) -> None:
    talking = talk(serve())
    with pytest.raises(ProviderError, match=rf"(?s)faulty:{command} at http://127.*\nhint: .*{hint}"):
        ask(talking, command)
    assert exact(talking)


def test_a_wrong_key_shows_nowhere(serve: Start, talk: Start) -> None:
    talking = talk(serve(key="another"))
    with pytest.raises(ProviderError, match="check the key") as caught:
        ask(talking, "fine")
    assert "sk-test" not in str(caught.value)
    assert "0123456789" not in repr(caught.value.__cause__)


def test_a_server_that_repeats_the_key_does_not_give_it_away(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    with pytest.raises(ChatError, match="secret") as caught:
        ask(talking, "echo_key")
    assert "sk-test" not in str(caught.value)


def test_secrets_are_neither_sent_nor_taken_back(serve: Start, talk: Start) -> None:
    talking = talk(serve(answer=lambda prompt, rng: prompt + " my key is ghp_abcdefghijklmnopqrstuvwxyz012345"))
    done = ask(talking, "fine", (Turn(role="user", text="run-token-abcdef and sk-test-0123456789abcdefghij"),))
    assert done.text == "[secret] and [secret] my key is [secret]"
    assert "run-token" not in json.dumps(talking.server.bodies)


def test_nobody_there_is_a_provider_error(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9.*\nhint: check --base-url"):
        ask(talking, "fine", base_url="http://127.0.0.1:9/v1")
    assert len(talking.rows.calls) == ATTEMPTS[Setback.UNREACHABLE]
    assert talking.purse.spent_tokens == 0


@pytest.mark.parametrize("streams", [True, False])
def test_a_slow_server_is_given_up_after_its_time(serve: Start, talk: Start, streams: bool) -> None:
    talking = talk(serve(slow_seconds=20.0))
    with pytest.raises(ChatError, match=r"no whole answer in 0\.8 s"):
        ask(talking, "slow" if streams else "no_stream+slow", timeout_seconds=0.8)
    assert sum("no whole answer" in row.error for row in talking.rows.ordered) == ATTEMPTS[Setback.TIMEOUT]
    assert covered(talking)


def test_silence_amid_an_answer_is_noticed_before_the_time_is_over(serve: Start, talk: Start) -> None:
    talking = talk(serve(answer=long_answer, slow_seconds=60.0))
    assert ask(talking, "stall*1", stall_seconds=0.2, timeout_seconds=50.0).text
    assert "silent" in talking.rows.ordered[0].error
    assert covered(talking)


def test_a_giant_answer_is_stopped_at_the_limit(serve: Start, talk: Start) -> None:
    talking = talk(serve(giant_tokens=50_000))
    done = ask(talking, "giant", max_tokens=300)
    assert done.finish == "length"
    assert 3 * 300 < len(done.text) < 4 * 400
    assert done.usage.estimated
    assert talking.server.books()["completion_tokens"] < 5000
    assert done.usage.tokens <= talking.rows.calls[0].held_tokens


@pytest.mark.parametrize("empty", ["empty_text*1", "empty_choices*1"])
def test_after_an_empty_answer_a_giant_one_is_stopped_all_the_same(serve: Start, talk: Start, empty: str) -> None:
    talking = talk(serve(giant_tokens=50_000))
    done = ask(talking, f"{empty}+giant", max_tokens=300)
    assert len(talking.rows.ordered) == 2
    assert done.finish == "length"
    assert talking.server.books()["completion_tokens"] < 5000
    assert done.usage.tokens <= talking.rows.calls[1].held_tokens


def test_what_a_server_wrote_beyond_the_limit_in_one_piece_is_charged_and_ends_the_spending(
    serve: Start, talk: Start
) -> None:
    talking = talk(serve(giant_tokens=50_000), Allowance(tokens=20_000))
    ask(talking, "giant+ignores_stream", max_tokens=300)
    assert talking.purse.spent_tokens == talking.server.books()["tokens"] > 50_000
    with pytest.raises(SpentError, match="of 20,000 tokens"):
        ask(talking, "fine")


def test_missing_usage_is_estimated_on_the_upper_side_where_there_is_a_price(serve: Start, talk: Start) -> None:
    priced, free = talk(serve(answer=long_answer)), talk(serve(answer=long_answer))
    done = ask(priced, "no_usage")
    assert done.usage.estimated
    assert covered(priced)
    likely = ask(free, "no_usage", price=None)
    assert likely.cost is None
    billed = free.server.books()["tokens"]
    assert billed <= likely.usage.tokens <= 1.5 * billed


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        ("no_stream", lambda body: "stream" not in body and "stream_options" not in body),
        ("no_options", lambda body: body["stream"] and "stream_options" not in body),
        ("no_temperature", lambda body: "temperature" not in body),
        ("completion_tokens", lambda body: "max_tokens" not in body and body["max_completion_tokens"] == 2000),
        ("no_tools", lambda body: "tools" not in body),
        ("short", lambda body: body["max_tokens"] == 100),
        ("no_stream+no_tools+no_temperature+completion_tokens", lambda body: "max_completion_tokens" in body),
    ],
)
def test_what_a_server_refuses_is_left_out_and_remembered(
    serve: Start, talk: Start, command: str, sent: Callable[[dict[str, Any]], bool]
) -> None:
    talking = talk(serve())
    model = talking.model(command, temperature=0.2)

    async def scenario() -> tuple[Completion, Completion, bool]:
        two = [await talking.chat.complete(model, TURNS, ticket=None, purpose="edit", tools=(TOOL,)) for _ in range(2)]
        return two[0], two[1], talking.chat.takes_tools(model)

    first, second, takes_tools = talking.run(scenario)
    assert first.text
    assert second.tools_offered == takes_tools == ("no_tools" not in command)
    assert len(talking.server.bodies) == command.count("+") + 3, "the second request knows what the first one learned"
    assert sent(talking.server.bodies[-1])
    assert [row.usage.tokens for row in talking.rows.ordered][:-2] == [0] * (command.count("+") + 1)


def test_a_server_that_ignores_the_wish_for_a_stream_is_understood(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    assert ask(talking, "ignores_stream").text
    assert exact(talking)
    assert ask(talking, "ignores_stream+cut*1+malformed*2").text
    assert covered(talking)


def test_tool_calls_arrive_and_their_results_go_back(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    asked = ask(talking, "tool", tools=(TOOL,))
    assert asked.tool_calls == (ToolCall(id="call_0", name="top", arguments="{}"),)
    assert asked.finish == "tool_calls"
    assert "[tool call call_0] top {}" in talking.rows.ordered[0].answer
    assert "[tools offered]" in talking.rows.calls[0].messages[0].text
    turns = (
        *TURNS,
        Turn(role="assistant", text="", tool_calls=asked.tool_calls),
        Turn(role="tool", text="#3: 41", tool_call_id="call_0"),
    )
    assert ask(talking, "fine", turns, tools=(TOOL,)).text
    assert talking.server.bodies[-1]["messages"][-1] == {"role": "tool", "content": "#3: 41", "tool_call_id": "call_0"}
    # The same conversation with a server that takes no tools becomes plain text.
    assert ask(talking, "no_tools", turns, tools=(TOOL,)).text
    roles = [message["role"] for message in talking.server.bodies[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "#3: 41" in talking.server.bodies[-1]["messages"][-1]["content"]


@pytest.mark.parametrize(("command", "cached"), [("reasoning", True), ("hidden_reasoning", False)])
def test_reasoning_is_paid_for_and_not_part_of_the_text(serve: Start, talk: Start, command: str, cached: bool) -> None:
    talking = talk(serve())
    done = ask(talking, command)
    assert "think" not in done.text
    assert done.usage.reasoning_tokens == 100
    assert (done.usage.cached_tokens > 0) == cached
    assert exact(talking)


def test_a_stream_that_ends_without_a_word_is_asked_for_in_one_piece(serve: Start, talk: Start) -> None:
    """As llama-cpp-python 0.3.36 does where the prompt is too long."""
    talking = talk(serve(context_tokens=2048))
    with pytest.raises(ContextOverflowError):
        ask(talking, "empty_stream+context", (Turn(role="user", text="word " * 4000),))
    assert [bool(body.get("stream")) for body in talking.server.bodies] == [True, False]
    assert ask(talking, "empty_stream").text, "and where there is nothing wrong, the answer comes"


def test_a_small_context_gets_shorter_answers_and_refuses_long_prompts(serve: Start, talk: Start) -> None:
    talking = talk(serve(context_tokens=2048))
    assert ask(talking, "context", max_tokens=8000).text
    first, second = talking.server.bodies
    assert first["max_tokens"] == 8000
    assert 1000 < second["max_tokens"] < 2048
    with pytest.raises(ContextOverflowError):
        ask(talking, "context", (Turn(role="user", text="word " * 2000),))
    # Where the context is known beforehand, nothing is sent.
    requests = len(talking.server.bodies)
    with pytest.raises(ContextOverflowError, match="no room"):
        ask(talking, "context", (Turn(role="user", text="word " * 2000),), context_tokens=2048)
    assert len(talking.server.bodies) == requests


def test_a_cancelled_request_is_charged_and_leaves_nothing_behind(serve: Start, talk: Start) -> None:
    talking = talk(serve(answer=long_answer, slow_seconds=60.0))

    async def scenario() -> None:
        model = talking.model("stall")
        task = asyncio.create_task(talking.chat.complete(model, TURNS, ticket=None, purpose="edit"))
        while not any(entry.completion_tokens > 100 for entry in talking.server.entries):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    talking.run(scenario)
    (row,) = talking.rows.ordered
    assert (row.state, row.error) == (CallState.FAILED, "cancelled")
    assert row.usage.estimated
    assert covered(talking)


def test_a_ledger_that_fails_leaves_nothing_held(serve: Start, talk: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    talking = talk(serve())

    def full(*_: object) -> int:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(talking.rows, "begin", full)
        with pytest.raises(OSError, match="disk full"):
            ask(talking, "fine")
    assert talking.server.entries == [], "nothing is sent that is not written down"


def test_the_names_of_models(serve: Start) -> None:
    server = serve(key="right-key")
    assert asyncio.run(list_models(server.base_url, "right-key")) == ["faulty"]
    with pytest.raises(ProviderError, match="check the key") as caught:
        asyncio.run(list_models(server.base_url, "wrong-key"))
    assert "wrong-key" not in str(caught.value)
    with pytest.raises(ProviderError, match="hint: "):
        asyncio.run(list_models("http://127.0.0.1:9/v1", "none"))
    with pytest.raises(ProviderError, match="hint: "):
        asyncio.run(list_models(server.base_url + "/nowhere", "right-key"))
