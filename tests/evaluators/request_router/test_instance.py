from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest

from evaluators.request_router.instance import Instance, PrefixCache, Served
from evaluators.request_router.traffic import Costs, Request, Speeds

COSTS = Costs(fixed=0.1, linear=0.001, quadratic=0.0, interference=0.5, step=0.02, step_request=0.01)


def request(arrival: float, blocks: tuple[int, ...], tokens: int | None = None, output: int = 10) -> Request:
    return Request(
        arrival_seconds=arrival, input_tokens=tokens or 512 * len(blocks), output_tokens=output, blocks=blocks
    )


def run(requests: list[Request], speeds: Speeds, capacity: int = 100) -> dict[int, Served]:
    served: dict[int, Served] = {}
    instance = Instance(speeds, capacity, COSTS, served)
    for number, one in enumerate(requests):
        instance.advance(one.arrival_seconds)
        instance.accept(number, one)
    instance.advance(float("inf"))
    return served


def test_reading_by_hand() -> None:
    costs = Costs(fixed=0.02, linear=1e-4, quadratic=2e-9, interference=0, step=0, step_request=0)
    assert costs.prefill_seconds(1000, 0) == pytest.approx(0.02 + 0.1 + 2e-9 * 1000 * 500)
    assert costs.prefill_seconds(1000, 1) == pytest.approx(0.02 + 0.0488 + 2e-9 * 488 * 756)
    assert costs.prefill_seconds(1024, 2) == pytest.approx(0.02 + 1e-4 + 2e-9 * 1023.5), "one token is always read"
    falling = [costs.prefill_seconds(5000, cached) for cached in range(10)]
    assert falling == sorted(falling, reverse=True)


def test_prompts_are_read_in_order_and_find_what_was_read_before() -> None:
    served = run([request(0, (1, 2)), request(0.5, (1, 2, 3)), request(9, (1, 9))], Speeds())
    assert served[0].ttft_seconds == pytest.approx(0.1 + 1.024)
    # The second waits for the first, which decodes while it is read: 512 new tokens, half as slow again.
    assert served[1].cached_blocks == 2
    assert served[1].ttft_seconds == pytest.approx(1.124 + 1.5 * (0.1 + 0.512) - 0.5)
    assert served[2].cached_blocks == 1
    assert served[2].ttft_seconds == pytest.approx(0.612)


def test_decoding_takes_longer_in_company() -> None:
    served = run([request(0, (1,), output=1000), request(0, (2,), output=10)], Speeds())
    assert served[0].tpot_seconds == pytest.approx(0.03)
    assert served[1].tpot_seconds == pytest.approx(0.04)


def test_a_slow_instance_takes_longer_and_a_stall_is_waited_for() -> None:
    half = run([request(0, (1,))], Speeds(factors=(0.5,)))
    assert half[0].ttft_seconds == pytest.approx(2 * 0.612)
    stalled = Speeds(starts=(0.0, 0.3, 5.0), factors=(1.0, 0.0, 2.0))
    served = run([request(0, (1,)), request(1, (1,)), request(8, (1,))], stalled)
    assert served[0].ttft_seconds == pytest.approx(5 + 0.312 / 2)
    assert served[1].cached_blocks == 1, "what was read after the restart is cached"


def test_a_restart_empties_the_cache() -> None:
    stalled = Speeds(starts=(0.0, 2.0, 3.0), factors=(1.0, 0.0, 1.0))
    served = run([request(0, (1,)), request(2.5, (1,)), request(9, (1,))], stalled)
    assert served[1].cached_blocks == 0
    assert served[1].ttft_seconds == pytest.approx(0.5 + 0.612)
    assert served[2].cached_blocks == 1


def test_finish_integrates_the_speed(rng: np.random.Generator) -> None:
    speeds = Speeds(starts=(0.0, 2.0, 3.0, 7.0), factors=(1.0, 0.0, 0.5, 2.0))
    grid = np.arange(0, 30, 1e-3)
    factor = np.array(speeds.factors)[np.searchsorted(speeds.starts, grid, side="right") - 1]
    for _ in range(30):
        start, work = rng.uniform(0, 9), rng.uniform(0.1, 8)
        done = np.cumsum(np.where(grid >= start, factor, 0.0)) * 1e-3
        assert speeds.finish(start, work) == pytest.approx(grid[np.searchsorted(done, work)], abs=0.01)


@pytest.mark.parametrize(
    ("starts", "factors"), [((1.0,), (1.0,)), ((0.0, 0.0), (1.0, 1.0)), ((0.0,), (0.0,)), ((0.0,), (1.0, 2.0))]
)
def test_speeds_that_do_not_cover_all_time_are_refused(starts: tuple[float, ...], factors: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="speeds"):
        Speeds(starts=starts, factors=factors)


def test_what_is_cached_of_a_prompt_is_a_prefix_and_the_least_recently_used_goes() -> None:
    cache = PrefixCache(4)
    cache.insert((1, 2, 3))
    cache.insert((1, 5))
    assert (cache.match((1, 2, 3)), cache.match((1, 5))) == (3, 2)
    cache.insert((1, 6))
    assert cache.match((1, 2, 3)) == 2, "3 was used least recently and last of its prompt"
    cache.insert((7, 8, 9, 10, 11))
    assert (len(cache), cache.match((7, 8, 9, 10, 11)), cache.match((1,))) == (4, 4, 0)


def test_the_cache_agrees_with_a_slow_one(rng: np.random.Generator) -> None:
    cache, slow, capacity = PrefixCache(30), OrderedDict[int, None](), 30
    prompts = [tuple(100 * root + depth for depth in range(int(rng.integers(1, 12)))) for root in range(8)]
    for _ in range(400):
        blocks = prompts[int(rng.integers(8))][: int(rng.integers(1, 12))]
        expected = next((depth for depth, block in enumerate(blocks) if block not in slow), len(blocks))
        assert cache.match(blocks) == expected
        cache.insert(blocks)
        for block in reversed(blocks):
            slow.pop(block, None)
            slow[block] = None
        while len(slow) > capacity:
            slow.popitem(last=False)
        assert len(cache) == len(slow)


def test_reports() -> None:
    served: dict[int, Served] = {}
    instance = Instance(Speeds(), 100, replace(COSTS, interference=0.0), served)
    instance.accept(0, request(0, (1, 2), output=100))
    instance.accept(1, request(0, (1, 2, 3), tokens=1300))
    instance.advance(0.5)
    load = instance.load(0.5)
    assert (load.waiting, load.queued_tokens, load.running, load.done_tokens) == (2, 1024 + 1300, 0, 0)
    assert load.busy_seconds == pytest.approx(0.5)
    instance.advance(1.2)
    load = instance.load(1.2)
    assert (load.waiting, load.queued_tokens, load.running, load.done_tokens) == (1, 1300, 1, 1024)
    instance.advance(100.0)
    load = instance.load(100.0)
    assert (load.waiting, load.queued_tokens, load.running, load.done_tokens) == (0, 0, 0, 1024 + 276)
    assert load.busy_seconds == pytest.approx(0.2 + 1.3)
