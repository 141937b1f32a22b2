"""What every selector does, whoever it chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from random import Random

import pytest

from evolve.selectors import SELECTORS, Adaptive, Beam, BestOfN, Member, Pareto, Selector, Sequential

BOUND = 250
Make = Callable[..., Member]


def history(selector: Selector, member: Make, count: int, *, seed: int = 1) -> Iterator[int]:
    """A run as the search makes it: seeds, children of whoever is chosen, new estimates, failures."""
    rng = Random(seed)
    for number in range(count):
        parent = None
        if number >= 5:
            choice = selector.choose(Random(f"{seed}:{number}"))
            assert choice is not None
            parent = choice.parent
            selector.bred(parent)
        low = rng.gauss(number / 50, 5)
        kinds = {f"kind{kind}": low + rng.gauss(0, 3) for kind in range(6)}
        cell = (rng.randrange(6), rng.randrange(40))
        if number < 5 or rng.random() < 0.85:
            selector.tell(member(number, low, cell, is_seed=number < 5, parent=parent, kinds=kinds))
        for known in selector.leaders(2):
            if rng.random() < 0.2:
                selector.tell(member(known, low - 1, cell, is_seed=known < 5, kinds=kinds))
        if number % 17 == 16:
            selector.drop(selector.leaders(1)[0])
        yield number


class SelectorConformance:
    """Inherit with ``factory=`` to run it."""

    factory: Callable[[], Selector]

    def __init_subclass__(cls, *, factory: Callable[[], Selector]) -> None:
        cls.factory = staticmethod(factory)

    @pytest.fixture
    def selector(self) -> Selector:
        return self.factory()

    def test_nobody_to_choose_from(self, selector: Selector, member: Make) -> None:
        assert selector.choose(Random(0)) is None
        assert selector.leaders(3) == []
        assert selector.neighbours(0) == []
        selector.tell(member(0, 1.0, is_seed=True))
        selector.drop(0)
        assert selector.choose(Random(0)) is None
        assert selector.leaders(3) == []

    def test_the_only_one_is_chosen(self, selector: Selector, member: Make) -> None:
        selector.tell(member(0, -3.0, is_seed=True))
        choice = selector.choose(Random(0))
        assert choice is not None
        assert (choice.parent, choice.inspirations) == (0, ())

    def test_state_is_a_function_of_the_calls(self, selector: Selector, member: Make) -> None:
        """Choosing is no such call: a resumed run does not repeat the choices of the sitting before."""
        calls: list[Callable[[Selector], object]] = []

        class Noted:
            def __getattr__(self, name: str) -> Callable[..., object]:
                def call(*arguments: object) -> object:
                    if name in {"tell", "drop", "bred"}:
                        calls.append(lambda other: getattr(other, name)(*arguments))
                    return getattr(selector, name)(*arguments)

                return call

        for _ in history(Noted(), member, 120):  # type: ignore[arg-type]
            pass
        other = self.factory()
        for call in calls:
            call(other)
        for seed in range(30):
            assert selector.choose(Random(seed)) == other.choose(Random(seed))
        assert selector.leaders(10_000) == other.leaders(10_000)
        assert all(selector.neighbours(n) == other.neighbours(n) for n in selector.leaders(10_000))

    def test_randomness_comes_from_the_generator_only(self, selector: Selector, member: Make) -> None:
        for _ in history(selector, member, 80):
            pass
        first = [selector.choose(Random(seed)) for seed in range(30)]
        random.seed(5)
        assert [selector.choose(Random(seed)) for seed in range(30)] == first

    def test_every_choice_is_of_members_that_leaders_names(self, selector: Selector, member: Make) -> None:
        """Only the programs of those stay in memory."""
        for number in history(selector, member, 120):
            known = set(selector.leaders(10_000))
            for seed in range(3):
                choice = selector.choose(Random(f"{number}:{seed}"))
                assert choice is not None
                assert {choice.parent, *choice.inspirations} <= known
                assert choice.parent not in choice.inspirations
                assert len(set(choice.inspirations)) == len(choice.inspirations)
            assert set(selector.neighbours(choice.parent)) <= known
            assert choice.parent in selector.neighbours(choice.parent)

    def test_neighbours_of_somebody_forgotten(self, selector: Selector, member: Make) -> None:
        for number in range(4):
            selector.tell(member(number, float(number), is_seed=True))
        assert set(selector.neighbours(99)) <= {0, 1, 2, 3}

    def test_leaders_are_the_highest_lower_bounds(self, selector: Selector, member: Make) -> None:
        for number, low in enumerate([3.0, 9.0, -1.0, 5.0]):
            selector.tell(member(number, low, is_seed=True))
        assert selector.leaders(2) == [1, 3]

    def test_of_equals_the_older_one_leads(self, selector: Selector, member: Make) -> None:
        for number in (2, 0, 1):
            selector.tell(member(number, 4.0, is_seed=True))
        assert selector.leaders(9) == [0, 1, 2]

    def test_a_new_estimate_replaces_the_old(self, selector: Selector, member: Make) -> None:
        selector.tell(member(0, 9.0, is_seed=True))
        selector.tell(member(1, 5.0, is_seed=True))
        selector.tell(member(0, 1.0, (4,), is_seed=True))
        assert selector.leaders(9) == [1, 0]

    def test_a_dropped_member_is_gone(self, selector: Selector, member: Make) -> None:
        for number in range(4):
            selector.tell(member(number, float(number), is_seed=True, kinds={"hot": float(number)}))
        selector.drop(3)
        selector.drop(99)
        assert selector.leaders(9) == [2, 1, 0]
        for seed in range(50):
            choice = selector.choose(Random(seed))
            assert choice is not None
            assert 3 not in {choice.parent, *choice.inspirations}

    def test_children_of_strangers_do_no_harm(self, selector: Selector, member: Make) -> None:
        selector.tell(member(0, 1.0, is_seed=True))
        selector.bred(77)
        selector.tell(member(78, 0.0, parent=77))
        assert selector.leaders(1) == [0]

    def test_memory_is_bounded(self, selector: Selector, member: Make) -> None:
        for _ in history(selector, member, 800):
            pass
        assert len(selector.leaders(10_000)) <= BOUND


class TestAdaptive(SelectorConformance, factory=Adaptive): ...


class TestAdaptiveWithoutIslands(SelectorConformance, factory=lambda: Adaptive(islands=1)): ...


class TestPareto(SelectorConformance, factory=Pareto): ...


class TestBeam(SelectorConformance, factory=Beam): ...


class TestSequential(SelectorConformance, factory=Sequential): ...


class TestBestOfN(SelectorConformance, factory=BestOfN): ...


def test_every_registered_selector_is_tested_here() -> None:
    tested = {cls.factory for cls in SelectorConformance.__subclasses__()}
    assert set(SELECTORS.values()) <= tested


@pytest.mark.parametrize("name", sorted(SELECTORS.keys() - {"best_of_n"}))
class TestBuilders:
    """Those that build on what was found."""

    def test_inspirations_come_worst_first(self, name: str, member: Make) -> None:
        selector = SELECTORS[name]()
        for number in range(12):
            selector.tell(member(number, float(number), (number,), is_seed=number < 4))
        choice = selector.choose(Random(0))
        assert choice is not None
        assert list(choice.inspirations) == sorted(choice.inspirations)

    def test_pressure_from_the_first_evaluations(self, name: str, member: Make) -> None:
        """With ten measured, the worse half is hardly ever a parent."""
        selector = SELECTORS[name]()
        for number in range(10):
            selector.tell(member(number, float(number), is_seed=number < 5))
        chosen = [choice.parent for seed in range(500) if (choice := selector.choose(Random(seed)))]
        assert sum(number >= 5 for number in chosen) > 0.9 * len(chosen)
