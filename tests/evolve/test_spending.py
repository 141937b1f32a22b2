"""What is spent and held never passes the cap, and nobody waits for what will not come."""

from __future__ import annotations

import asyncio
import threading
from random import Random

import pytest

from evolve.spending import Allowance, Hold, Purse, SpentError


def test_a_hold_counts_until_it_is_settled_with_what_the_call_took() -> None:
    async def scenario() -> None:
        purse = Purse(Allowance(tokens=100, cost=1.0), spent_tokens=10, spent_cost=0.1)
        hold = await purse.hold(60, 0.5)
        assert (purse.held_tokens, purse.held_cost, purse.spent_tokens) == (60, 0.5, 10)
        purse.settle(hold, 20, 0.2)
        assert (purse.held_tokens, purse.held_cost) == (0, 0)
        assert (purse.spent_tokens, purse.spent_cost) == (30, pytest.approx(0.3))
        assert (purse.left_tokens, purse.left_cost) == (70, pytest.approx(0.7))
        assert not purse.exhausted
        with pytest.raises(ValueError, match="settled before"):
            purse.settle(hold, 1, 0.0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("allowance", "tokens", "cost"),
    [(Allowance(tokens=100), 101, None), (Allowance(cost=1.0), 1, 1.0001), (Allowance(tokens=9, cost=9.0), 10, 1.0)],
)
def test_what_never_fits_is_refused_at_once(allowance: Allowance, tokens: int, cost: float | None) -> None:
    async def scenario() -> None:
        purse = Purse(allowance)
        other = await purse.hold(1, 0.0)
        with pytest.raises(SpentError, match="no room"):
            await purse.hold(tokens, cost)
        purse.settle(other, 0, 0.0)

    asyncio.run(scenario())


def test_a_call_of_unknown_price_counts_as_tokens_alone() -> None:
    async def scenario() -> None:
        purse = Purse(Allowance(tokens=100, cost=0.1))
        purse.settle(await purse.hold(100, None), 100, None)
        assert (purse.spent_tokens, purse.spent_cost, purse.exhausted) == (100, 0.0, True)

    asyncio.run(scenario())


def test_one_waits_while_only_others_stand_in_the_way_and_goes_when_they_give_back() -> None:
    async def scenario() -> None:
        purse = Purse(Allowance(tokens=100))
        first = await purse.hold(80, None)
        waiting = asyncio.create_task(purse.hold(50, None))
        await asyncio.sleep(0)
        assert not waiting.done()
        purse.settle(first, 40, None)
        second = await asyncio.wait_for(waiting, 5)
        assert (purse.spent_tokens, purse.held_tokens) == (40, second.tokens)

    asyncio.run(scenario())


def test_one_who_waits_is_told_when_the_others_spent_too_much() -> None:
    async def scenario() -> None:
        purse = Purse(Allowance(tokens=100))
        first = await purse.hold(80, None)
        waiting = asyncio.create_task(purse.hold(50, None))
        await asyncio.sleep(0)
        purse.settle(first, 80, None)
        with pytest.raises(SpentError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())


def test_a_large_one_is_not_overtaken_and_one_that_gives_up_lets_the_next_go() -> None:
    async def scenario() -> None:
        purse = Purse(Allowance(tokens=100))
        first = await purse.hold(50, None)
        large = asyncio.create_task(purse.hold(90, None))
        await asyncio.sleep(0)
        small = asyncio.create_task(purse.hold(10, None))
        await asyncio.sleep(0.01)
        assert not small.done()
        large.cancel()
        await asyncio.wait_for(small, 5)
        with pytest.raises(asyncio.CancelledError):
            await large
        purse.settle(first, 0, None)
        assert purse.held_tokens == 10

    asyncio.run(scenario())


def test_threads_with_loops_of_their_own_share_one_purse() -> None:
    purse, passed = Purse(Allowance(tokens=3000, cost=3.0)), []
    counted: list[int] = []

    def work(seed: int) -> None:
        async def spend() -> None:
            rng = Random(seed)
            while True:
                try:
                    hold: Hold = await asyncio.wait_for(purse.hold(100, 0.1), 20)
                except SpentError:
                    return
                with lock:
                    counted.append(1)
                passed.append(purse.spent_tokens + purse.held_tokens > 3000)
                await asyncio.sleep(rng.random() * 0.002)
                purse.settle(hold, 60, 0.06)

        async def several() -> None:
            await asyncio.gather(*(spend() for _ in range(4)))

        asyncio.run(several())

    lock = threading.Lock()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not any(passed)
    assert purse.held_tokens == 0
    # 100 must be free for a hold, and each call takes 60: the last one starts with at most 2,900 spent.
    assert len(counted) == 49
    assert purse.spent_tokens == 60 * 49
