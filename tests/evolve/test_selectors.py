from __future__ import annotations

import time
from random import Random

import pytest

from evolve.selectors import SELECTORS, Adaptive, BestOfN, Member, Selector
from evolve.selectors.adaptive import ELITES, EXPLORE_START


def member(number: int, low: float, cell: tuple[int, ...] = (0,), is_seed: bool = False) -> Member:
    return Member(number=number, mean=low + 1, low=low, cell=cell, is_seed=is_seed)


@pytest.fixture(params=sorted(SELECTORS))
def selector(request: pytest.FixtureRequest) -> Selector:
    return SELECTORS[request.param]()


class TestSelectorConformance:
    def test_nobody_to_choose_from(self, selector: Selector) -> None:
        assert selector.choose(Random(0)) is None
        assert selector.leaders(3) == []

    def test_same_calls_same_choices(self, selector: Selector) -> None:
        other = type(selector)()
        for number in range(30):
            for each in (selector, other):
                each.tell(member(number, number * 7 % 13, (number % 3,), number < 5))
                each.bred(number // 2)
        for seed in range(20):
            assert selector.choose(Random(seed)) == other.choose(Random(seed))

    def test_choice_names_known_members_and_never_the_parent_twice(self, selector: Selector) -> None:
        for number in range(10):
            selector.tell(member(number, float(number), is_seed=number < 4))
        for seed in range(50):
            choice = selector.choose(Random(seed))
            assert choice is not None
            assert {choice.parent, *choice.inspirations} <= set(range(10))
            assert choice.parent not in choice.inspirations
            assert len(set(choice.inspirations)) == len(choice.inspirations)

    def test_leaders_are_the_highest_lower_bounds(self, selector: Selector) -> None:
        for number, low in enumerate([3.0, 9.0, -1.0, 5.0]):
            selector.tell(member(number, low, is_seed=True))
        assert selector.leaders(2) == [1, 3]

    def test_a_new_estimate_replaces_the_old(self, selector: Selector) -> None:
        selector.tell(member(0, 9.0, is_seed=True))
        selector.tell(member(1, 5.0, is_seed=True))
        selector.tell(member(0, 1.0, (4,), is_seed=True))
        assert selector.leaders(2) == [1, 0]

    def test_a_dropped_member_is_gone(self, selector: Selector) -> None:
        for number in range(4):
            selector.tell(member(number, float(number), is_seed=True))
        selector.drop(3)
        selector.drop(99)
        assert selector.leaders(9) == [2, 1, 0]
        assert all((c := selector.choose(Random(s))) and c.parent != 3 for s in range(50))

    def test_cost_does_not_grow_with_what_was_told(self, selector: Selector) -> None:
        """Bounded memory is what makes it so; the ratio is generous because machines are noisy."""
        rng = Random(1)

        def spend(start: int) -> float:
            begun = time.process_time()
            for number in range(start, start + 500):
                selector.tell(member(number, rng.gauss(0, 10), (rng.randrange(6), rng.randrange(4))))
                selector.choose(rng)
            return time.process_time() - begun

        early = spend(0)
        for number in range(500, 8000):
            selector.tell(member(number, rng.gauss(0, 10), (rng.randrange(6), rng.randrange(4))))
        assert spend(8000) < 5 * early
        assert len(selector.leaders(10_000)) < 100


def test_adaptive_prefers_high_lower_bounds_and_few_children() -> None:
    selector = Adaptive()
    for number in range(10):
        selector.tell(member(number, float(number), (number,)))
    chosen = [c.parent for s in range(2000) if (c := selector.choose(Random(s)))]
    assert chosen.count(9) > 2 * chosen.count(0)
    for _ in range(50):
        selector.bred(9)
    after = [c.parent for s in range(2000) if (c := selector.choose(Random(s)))]
    assert after.count(9) < chosen.count(9) / 2


def test_adaptive_keeps_the_best_of_every_cell() -> None:
    selector = Adaptive()
    selector.tell(member(0, -50.0, (7,)))
    for number in range(1, 40):
        selector.tell(member(number, float(number), (0,)))
    assert 0 in selector.leaders(100)
    assert len(selector.leaders(100)) == ELITES + 1


def test_exploration_decays_and_rises_again_on_stagnation() -> None:
    selector = Adaptive()
    assert selector.exploration == pytest.approx(EXPLORE_START)
    for number in range(200):
        selector.tell(member(number, float(number)))
    low = selector.exploration
    assert low < EXPLORE_START / 2
    for number in range(200, 300):
        selector.tell(member(number, 0.0))
    assert selector.exploration > 2 * low


def test_best_of_n_never_builds_on_what_was_found() -> None:
    selector = BestOfN()
    selector.tell(member(0, 1.0, is_seed=True))
    selector.tell(member(1, 2.0, is_seed=True))
    selector.tell(member(2, 99.0))
    assert {c.parent for s in range(50) if (c := selector.choose(Random(s)))} == {1}
    assert selector.leaders(1) == [2]
