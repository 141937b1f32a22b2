"""Many requests at once against a server with books of its own: none charged twice, none missing, no cap passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from db.records import CallState
from evolve.proposers.llm.chat import ChatError, Completion, ProviderError, Turn
from evolve.proposers.llm.prices import Price
from evolve.spending import Allowance, SpentError

Start = Callable[..., Any]

PROGRAM = "\n".join(f"X{n} = {n}.5" for n in range(60))
PRICE = Price(input=1.0, output=3.0)
A_ROUNDING = 1e-12


def billed(talk: Any) -> float:
    """US dollars by the server's books."""
    books = talk.server.books()
    return (books["prompt_tokens"] * PRICE.input + books["completion_tokens"] * PRICE.output) / 1e6


async def ask_many(talk: Any, model: Any, number: int, *, at_once: int = 16) -> list[Completion | Exception]:
    """Ask so often, ``at_once`` at the same time, until the purse is spent."""
    outcomes: list[Completion | Exception] = []
    numbers = iter(range(number))

    async def work() -> None:
        for ticket in numbers:
            turns = [Turn(role="user", text=f"Number {ticket}.\n```python\n{PROGRAM}\n```")]
            try:
                outcomes.append(await talk.chat.complete(model, turns, ticket=ticket, purpose="edit"))
            except (ChatError, SpentError) as error:
                outcomes.append(error)
                if isinstance(error, SpentError):
                    return

    await asyncio.gather(*(work() for _ in range(at_once)))
    return outcomes


def test_without_faults_rows_and_books_are_equal(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    model = talking.model(price=PRICE, concurrency=16)
    outcomes = talking.run(lambda: ask_many(talking, model, 64))
    assert all(isinstance(outcome, Completion) for outcome in outcomes)
    assert len(talking.rows.calls) == len(talking.server.entries) == 64
    assert talking.purse.spent_tokens == talking.server.books()["tokens"]
    assert talking.purse.spent_cost == pytest.approx(billed(talking))


def test_with_faults_every_request_has_one_row_that_covers_its_bill(serve: Start, talk: Start) -> None:
    talking = talk(
        serve(faults=0.3, seed=5, slow_seconds=0.05, retry_after_seconds=0.01, piece_tokens=5, giant_tokens=4000)
    )
    model = talking.model(price=PRICE, concurrency=16)
    outcomes = talking.run(lambda: ask_many(talking, model, 96))
    assert len(outcomes) == 96
    entries = talking.server.books()["requests"]
    assert {entry["fault"] for entry in entries} > {"429", "500", "cut", "malformed", "giant", "no_usage", ""}
    assert len(talking.rows.calls) == len(entries)
    answered = [row for row in talking.rows.ordered if row.state is CallState.ANSWERED]
    assert len(answered) == sum(isinstance(outcome, Completion) for outcome in outcomes)
    # Requests run side by side, so that rows and entries are paired by what is exact in both.
    exact = [row.usage.tokens for row in talking.rows.ordered if not row.usage.estimated and row.usage.tokens]
    unsure = {"cut", "malformed", "giant", "no_usage"}
    said = [
        e["prompt_tokens"] + e["completion_tokens"] for e in entries if e["fault"] not in unsure and e["status"] == 200
    ]
    assert sorted(exact) == sorted(said)
    assert talking.purse.spent_tokens >= talking.server.books()["tokens"]
    assert talking.purse.spent_cost + A_ROUNDING >= billed(talking)


@pytest.mark.parametrize("faults", [0.0, 0.2])
def test_sixteen_at_once_never_pass_the_cap_by_the_servers_books(serve: Start, talk: Start, faults: float) -> None:
    server = serve(
        faults=faults, seed=2, latency_seconds=0.005, slow_seconds=0.02, retry_after_seconds=0.01, piece_tokens=5
    )
    cap = 0.03
    talking = talk(server, Allowance(cost=cap))
    model = talking.model(price=PRICE, concurrency=16)
    outcomes = talking.run(lambda: ask_many(talking, model, 1000))
    assert sum(isinstance(outcome, SpentError) for outcome in outcomes) == 16, "all stop, and cleanly"
    assert billed(talking) <= talking.purse.spent_cost + A_ROUNDING
    assert talking.purse.spent_cost <= cap
    # The last request did not fit with the shortest answer that is of use.
    assert cap - talking.purse.spent_cost < PRICE.bound(1500, 1024)
    limits = [body["max_tokens"] for body in server.bodies]
    assert limits[0] == 2000
    assert min(limits) >= 1024
    if not faults:  # else a dear fault may take the rest at once
        assert min(limits) < 2000, "the last answers are shorter rather than none"


def test_a_cap_in_tokens_holds_where_no_price_is_known(serve: Start, talk: Start) -> None:
    talking = talk(serve(), Allowance(tokens=30_000))
    model = talking.model(price=None, concurrency=16)
    talking.run(lambda: ask_many(talking, model, 1000))
    assert talking.server.books()["tokens"] == talking.purse.spent_tokens <= 30_000
    assert all(call.held_cost is None for call in talking.rows.calls)
    assert all(row.cost is None for row in talking.rows.ordered)


def test_no_more_requests_are_under_way_than_the_model_allows(serve: Start, talk: Start) -> None:
    talking = talk(serve(latency_seconds=0.02))
    models = [talking.model(concurrency=3), talking.model("fine", concurrency=2)]

    async def scenario() -> None:
        await asyncio.gather(*(ask_many(talking, model, 20) for model in models))

    talking.run(scenario)
    assert talking.server.books()["most_in_flight"] == 5


@pytest.mark.parametrize(("refusals", "at_once"), [(1, 2), (2, 0)])
def test_retry_after_is_waited_for_by_all_requests_once_a_second_one_is_refused(
    serve: Start, talk: Start, refusals: int, at_once: int
) -> None:
    server = serve(retry_after_seconds=0.6)
    talking = talk(server, sleep=asyncio.sleep)
    arrivals: list[tuple[str, float]] = []

    async def one(model: Any) -> None:
        await talking.chat.complete(model, [Turn(role="user", text="x")], ticket=None, purpose="edit")
        arrivals.append((model.name, time.monotonic()))

    async def scenario() -> float:
        busy, other = talking.model(f"429*{refusals}", concurrency=1), talking.model("fine")
        await one(other)
        began = time.monotonic()
        await asyncio.gather(one(busy), one(busy), one(busy), one(other))
        return began

    began = talking.run(scenario)
    waited = sorted(when - began for name, when in arrivals if name.startswith("faulty:429"))
    assert len(waited) == 3
    assert all(seconds >= 0.6 for seconds in waited[at_once:]), (
        "whoever was refused waits, and all after a second refusal"
    )
    assert all(seconds < 0.6 for seconds in waited[:at_once]), "one refusal alone stops nobody else"
    assert [name for name, when in arrivals if when - began < 0.5][:1] == ["faulty:fine"], "another model goes on"
    assert sum(entry.status == 429 for entry in server.entries) == refusals


def test_a_server_that_asks_to_wait_too_long_is_of_no_use(serve: Start, talk: Start) -> None:
    talking = talk(serve(retry_after_seconds=3600))
    model = talking.model("429")

    async def scenario() -> None:
        await talking.chat.complete(model, [Turn(role="user", text="x")], ticket=None, purpose="edit")

    with pytest.raises(ProviderError, match=r"asks to wait 3,600 s[\s\S]*\nhint: "):
        talking.run(scenario)
    assert len(talking.rows.calls) == 1


def test_delays_grow_and_are_jittered(serve: Start, talk: Start) -> None:
    talking = talk(serve())
    model = talking.model("500")

    async def scenario() -> None:
        await talking.chat.complete(model, [Turn(role="user", text="x")], ticket=None, purpose="edit")

    with pytest.raises(ChatError):
        talking.run(scenario)
    delays = talking.slept[1:]
    assert len(delays) == 5
    assert all(0 <= delay <= 0.5 * 2**number for number, delay in enumerate(delays))
    assert len(set(delays)) == 5


def test_cancelling_many_leaves_nothing_held_and_no_bill_uncovered(serve: Start, talk: Start) -> None:
    talking = talk(
        serve(latency_seconds=0.03, faults=0.2, slow_seconds=0.1, retry_after_seconds=0.01), Allowance(cost=0.2)
    )
    model = talking.model(price=PRICE, concurrency=8)

    async def scenario() -> None:
        task = asyncio.create_task(ask_many(talking, model, 1000))
        while len(talking.server.entries) < 40:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    talking.run(scenario)
    assert any(row.error == "cancelled" for row in talking.rows.ordered)
    assert talking.purse.spent_cost + A_ROUNDING >= billed(talking)
