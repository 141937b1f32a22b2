"""What is special about ``pareto``, ``beam``, ``sequential`` and ``best_of_n``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from evolve.selectors import Beam, BestOfN, Member, Pareto, Selector, Sequential
from evolve.selectors.beam import WIDTH

Make = Callable[..., Member]


def parents(selector: Selector, count: int = 600) -> Counter[int]:
    return Counter(choice.parent for seed in range(count) if (choice := selector.choose(Random(seed))))


class TestPareto:
    def test_parents_in_proportion_to_the_kinds_they_lead_on(self, member: Make) -> None:
        selector = Pareto()
        selector.tell(member(0, 9.0, kinds={"hot": 1.0, "flat": 1.0, "drift": 1.0}))
        selector.tell(member(1, 1.0, kinds={"hot": 5.0, "flat": 4.0, "drift": 0.0}))
        selector.tell(member(2, 2.0, kinds={"hot": 0.0, "flat": 0.0, "drift": 0.5}))
        assert selector.wins() == {0: 2, 1: 2}
        chosen = parents(selector)
        assert set(chosen) == {0, 1}
        assert 200 < chosen[0] < 400

    def test_the_best_on_one_kind_survives_whatever_its_bound(self, member: Make) -> None:
        selector = Pareto()
        selector.tell(member(0, -99.0, kinds={"hot": 50.0}))
        for number in range(1, 200):
            selector.tell(member(number, float(number), kinds={"hot": 0.0, "flat": 1.0}))
        assert 0 in selector.leaders(10_000)
        assert parents(selector)[0] > 0

    def test_without_kinds_the_lower_bound_decides(self, member: Make) -> None:
        selector = Pareto()
        for number in range(20):
            selector.tell(member(number, float(number)))
        assert set(parents(selector)) == {19}

    def test_a_kind_that_few_have_met(self, member: Make) -> None:
        selector = Pareto()
        selector.tell(member(0, 5.0, kinds={"hot": 2.0}))
        selector.tell(member(1, 4.0))
        selector.tell(member(2, 3.0, kinds={"flat": -1.0}))
        assert selector.wins() == {0: 2, 2: 1}

    def test_the_next_best_steps_in(self, member: Make) -> None:
        selector = Pareto()
        for number in range(60):
            selector.tell(member(number, float(number), kinds={"hot": -float(number)}))
        assert selector.wins() == {59: 1, 0: 1}
        selector.drop(0)
        assert selector.wins() == {59: 1, 1: 1}


class TestBeam:
    def test_the_best_take_turns(self, member: Make) -> None:
        selector = Beam()
        for number in range(10):
            selector.tell(member(number, float(number)))
        for turn in range(3 * WIDTH):
            choice = selector.choose(Random(turn))
            assert choice is not None
            selector.bred(choice.parent)
            counts = Counter(range(10 - WIDTH, 10))
            assert choice.parent in counts
            assert set(choice.inspirations) == set(counts) - {choice.parent}
        selector.bred(9)
        assert 9 not in parents(selector)

    def test_who_comes_back_has_no_children(self, member: Make) -> None:
        selector = Beam()
        selector.tell(member(0, 1.0))
        selector.tell(member(1, 0.0))
        selector.bred(0)
        selector.drop(0)
        selector.tell(member(0, 1.0))
        assert set(parents(selector)) == {0, 1}

    def test_a_new_leader_comes_first(self, member: Make) -> None:
        selector = Beam()
        for number in range(4):
            selector.tell(member(number, float(number)))
            selector.bred(number)
        selector.tell(member(4, 10.0))
        assert set(parents(selector)) == {4}


class TestSequential:
    def test_the_leader_is_always_the_parent(self, member: Make) -> None:
        selector = Sequential()
        for number in range(30):
            selector.tell(member(number, float(number * 7 % 13)))
            selector.bred(number)
        choice = selector.choose(Random(0))
        assert choice is not None
        assert choice.parent == selector.leaders(1)[0]
        assert list(choice.inspirations) == selector.leaders(5)[:0:-1]
        assert set(parents(selector)) == {choice.parent}


class TestBestOfN:
    def test_nothing_found_is_ever_built_upon(self, member: Make) -> None:
        selector = BestOfN()
        selector.tell(member(0, 1.0, is_seed=True))
        selector.tell(member(1, 2.0, is_seed=True))
        selector.tell(member(2, 99.0, parent=1))
        assert set(parents(selector)) == {1}
        assert selector.leaders(1) == [2]
        assert {n for s in range(9) if (c := selector.choose(Random(s))) for n in c.inspirations} == {0}

    def test_seeds_are_never_crowded_out(self, member: Make) -> None:
        selector = BestOfN()
        selector.tell(member(0, -99.0, is_seed=True))
        for number in range(1, 100):
            selector.tell(member(number, float(number), parent=0))
        assert set(parents(selector)) == {0}
        assert 0 in selector.leaders(10_000)
