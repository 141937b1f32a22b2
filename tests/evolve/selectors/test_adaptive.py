"""What is special about ``adaptive``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from evolve.selectors import Adaptive, Member
from evolve.selectors.adaptive import BREEDERS, EXPLORE_MOST, EXPLORE_START, ISLAND_EVERY, MIGRATION_EVERY, PLATEAU
from evolve.selectors.island import CELLS, ELITES, Island

Make = Callable[..., Member]


def parents(selector: Adaptive, count: int = 1000) -> Counter[int]:
    return Counter(choice.parent for seed in range(count) if (choice := selector.choose(Random(seed))))


def seeded(member: Make, *, islands: int = 3, seeds: int = 3) -> Adaptive:
    selector = Adaptive(islands=islands)
    for number in range(seeds):
        selector.tell(member(number, -10.0 - number, is_seed=True))
    return selector


def grow(selector: Adaptive, member: Make, first: int, last: int, low: float = -20.0) -> None:
    """Children that are no progress, spread over whichever islands there are."""
    for number in range(first, last):
        parent = selector.islands[number % len(selector.islands)][0]
        selector.bred(parent)
        selector.tell(member(number, low, parent=parent))


class TestParents:
    def test_high_lower_bounds_are_preferred(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(10):
            selector.tell(member(number, float(number)))
        chosen = parents(selector)
        assert chosen[9] > chosen[8] > 3 * chosen[6]
        assert sum(chosen[number] for number in range(10 - BREEDERS, 10)) > 0.85 * chosen.total()

    def test_children_make_room_for_others(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(10):
            selector.tell(member(number, float(number)))
        before = parents(selector)
        for _ in range(10):
            selector.bred(9)
        after = parents(selector)
        assert after[9] < before[9] / 2
        assert after[8] > before[8]

    def test_a_member_that_left_takes_its_children_along(self, member: Make) -> None:
        selector = Adaptive()
        selector.tell(member(0, 1.0))
        selector.tell(member(1, 0.9))
        for _ in range(50):
            selector.bred(0)
        selector.drop(0)
        selector.tell(member(0, 1.0))
        assert parents(selector)[0] > 300

    def test_equal_bounds_share(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(3):
            selector.tell(member(number, 2.0))
        assert min(parents(selector).values()) > 250

    def test_half_the_inspirations_are_the_best(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(12):
            selector.tell(member(number, float(number)))
        for seed in range(20):
            choice = selector.choose(Random(seed))
            assert choice is not None
            best = [number for number in range(11, -1, -1) if number != choice.parent][:2]
            assert list(choice.inspirations[-2:]) == best[::-1]
            assert len(choice.inspirations) == 4


class TestExploration:
    def test_it_decays_and_rises_again_on_stagnation(self, member: Make) -> None:
        selector = Adaptive(islands=1)
        assert selector.exploration == pytest.approx(EXPLORE_START)
        for number in range(200):
            selector.tell(member(number, float(number)))
        low = selector.exploration
        assert low < EXPLORE_START / 2
        for number in range(200, 300):
            selector.tell(member(number, 0.0))
        assert selector.exploration > 5 * low
        selector.tell(member(300, 1000.0))
        assert selector.exploration == pytest.approx(low, rel=0.1)
        for number in range(301, 900):
            selector.tell(member(number, 0.0))
        assert selector.exploration == EXPLORE_MOST

    def test_it_rises_while_everything_fails(self, member: Make) -> None:
        selector = Adaptive()
        selector.tell(member(0, 1.0, is_seed=True))
        for _ in range(100):
            selector.bred(0)
        assert selector.exploration > EXPLORE_START

    def test_new_estimates_are_no_progress_and_take_no_time(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(60):
            selector.tell(member(number, 5.0 if number == 1 else 0.0))
        before = selector.exploration
        for low in range(6, 50):
            selector.tell(member(1, float(low)))
        assert selector.exploration == before

    def test_a_leader_that_falls_back_leaves_no_mark_to_beat(self, member: Make) -> None:
        selector = Adaptive()
        for number in range(60):
            selector.tell(member(number, 50.0 if number == 1 else 0.0))
        stale = selector.exploration
        selector.tell(member(1, 1.0))
        selector.tell(member(60, 2.0))
        assert selector.exploration < stale

    def test_cells_are_reached_by_exploration(self, member: Make) -> None:
        selector = Adaptive()
        selector.tell(member(0, -50.0, (7,)))
        for number in range(1, 60):
            selector.tell(member(number, float(min(number, 20))))
        assert parents(selector)[0] > 0


class TestIslands:
    def test_one_at_first_then_more_up_to_the_most(self, member: Make) -> None:
        selector = seeded(member)
        opened = {}
        for number in range(3, 6 * ISLAND_EVERY):
            selector.tell(member(number, float(number), parent=number - 1))
            opened.setdefault(len(selector.islands), number)
        assert opened == {1: 3, 2: ISLAND_EVERY, 3: 2 * ISLAND_EVERY}

    def test_a_plateau_opens_one_early(self, member: Make) -> None:
        selector = seeded(member)
        grow(selector, member, 3, PLATEAU)
        assert len(selector.islands) == 1
        grow(selector, member, PLATEAU, PLATEAU + 3)
        assert len(selector.islands) == 2

    def test_a_single_population_stays_one(self, member: Make) -> None:
        selector = seeded(member, islands=1)
        grow(selector, member, 3, 5 * ISLAND_EVERY)
        assert len(selector.islands) == 1

    def test_seeds_live_on_all_of_them(self, member: Make) -> None:
        selector = seeded(member)
        grow(selector, member, 3, 4 * ISLAND_EVERY)
        assert len(selector.islands) == 3
        assert all({0, 1, 2} <= set(island) for island in selector.islands)

    def test_a_child_lives_where_its_parent_does(self, member: Make) -> None:
        selector = seeded(member)
        grow(selector, member, 3, 4 * ISLAND_EVERY + 1)
        number = 4 * ISLAND_EVERY + 1
        selector.tell(member(number, -5.0, parent=0))
        (home,) = [index for index, island in enumerate(selector.islands) if number in island]
        for child in range(number + 1, number + 4):
            selector.tell(member(child, -6.0, parent=number))
            assert [child in island for island in selector.islands] == [index == home for index in range(3)]
        assert set(selector.neighbours(number)) == set(selector.islands[home])

    def test_the_best_migrates_round_the_ring(self, member: Make) -> None:
        selector = seeded(member)
        grow(selector, member, 3, 4 * ISLAND_EVERY + 1)
        number = 4 * ISLAND_EVERY + 1
        selector.tell(member(number, 99.0, parent=0))
        homes = [index for index, island in enumerate(selector.islands) if number in island]
        assert len(homes) == 1
        for child in range(number + 1, number + MIGRATION_EVERY + 1):
            selector.tell(member(child, -20.0, parent=number))
        assert {index for index, island in enumerate(selector.islands) if number in island} == {
            homes[0],
            (homes[0] + 1) % 3,
        }

    def test_on_a_plateau_the_worst_begins_anew_from_the_seeds(self, member: Make) -> None:
        selector = seeded(member)
        last = 4 * ISLAND_EVERY
        for number in range(3, last):
            parent = selector.islands[number % len(selector.islands)][0]
            selector.tell(member(number, float(number), parent=parent))
        before = selector.islands
        assert all(len(island) > 10 for island in before)
        for number in range(last, last + PLATEAU - 1):
            selector.tell(member(number, 0.0, parent=last - 1))
        before = selector.islands
        assert all(len(island) > 10 for island in before)
        assert all(island[0] == last - 1 for island in before), "migration has brought the leader everywhere"
        worst = min(range(3), key=lambda index: before[index][:BREEDERS])
        selector.tell(member(last + PLATEAU - 1, 0.0, parent=last - 1))
        after = selector.islands
        assert [len(island) < 8 for island in after] == [index == worst for index in range(3)]
        assert {0, 1, 2} <= set(after[worst])
        assert selector.leaders(1) == [last - 1]

    def test_the_leaders_island_survives_every_plateau(self, member: Make) -> None:
        selector = seeded(member)
        selector.tell(member(3, 99.0, parent=0))
        for number in range(4, 900):
            selector.tell(member(number, 0.0, (number % 50,), parent=number % 4))
        assert selector.leaders(1) == [3]

    def test_there_is_at_least_one(self) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            Adaptive(islands=0)


class TestIsland:
    def test_elites_and_the_best_of_every_cell_stay(self, member: Make) -> None:
        island = Island()
        island.tell(member(0, -50.0, (7,)))
        island.tell(member(1, -60.0, (7,)))
        for number in range(2, 50):
            island.tell(member(number, float(number)))
        assert [each.number for each in island.ranked()] == [*range(49, 49 - ELITES, -1), 0]

    def test_cells_are_bounded(self, member: Make) -> None:
        island = Island()
        for number in range(500):
            island.tell(member(number, float(number % 97), (number,)))
        assert len(island.ranked()) <= ELITES + CELLS

    def test_a_new_estimate_may_move_to_another_cell(self, member: Make) -> None:
        island = Island()
        for number in range(20):
            island.tell(member(number, float(number)))
        island.tell(member(19, -99.0, (5,)))
        assert island.ranked()[-1].number == 19
        best = island.best()
        assert best is not None
        assert best.number == 18
