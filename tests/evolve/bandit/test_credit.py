from __future__ import annotations

from random import Random

import pytest

from db.records import NewCandidate
from evaluators.model import Evaluation, Outcome, Split
from evolve.bandit import Credit
from evolve.lesson import Lesson


def lesson(merit: float | None, parent: float | None, best: float | None, *, is_first: bool = True) -> Lesson:
    parents = () if parent is None else (0,)
    candidate = NewCandidate(
        number=1, source="x = 1\n", digest="d", proposer="operators", operator="o", parents=parents
    )
    verdict = Evaluation(
        problem="p", split=Split.TRAIN, block=0, digest="d", outcome=Outcome.CRASHED, reason="the rest is in the lesson"
    )
    return Lesson(
        candidate=candidate,
        evaluation=verdict,
        is_first=is_first,
        value=merit,
        merit=merit,
        parent_merit=parent,
        best_merit=best,
    )


@pytest.fixture
def settled() -> Credit:
    """A search where the best has 50 points and a usual candidate 40, and where a usual gain is 2."""
    credit = Credit()
    for _ in range(40):
        credit.reward(lesson(40.0, 40.0, 50.0))
    for _ in range(10):
        credit.reward(lesson(44.0, 42.0, 50.0))
    return credit


def test_a_new_best_earns_all(settled: Credit) -> None:
    assert settled.reward(lesson(50.001, 49.0, 50.0)) == 1.0
    assert settled.reward(lesson(51.0, 10.0, 50.0)) == 1.0
    assert Credit().reward(lesson(1.0, 0.5, None)) == 1.0


def test_nothing_gained_earns_nothing(settled: Credit) -> None:
    assert settled.reward(lesson(None, 45.0, 50.0)) == 0.0
    assert settled.reward(lesson(45.0, 45.0, 50.0)) == 0.0
    assert settled.reward(lesson(50.0, 50.0, 50.0)) == 0.0


def test_only_first_verdicts_pay_and_others_change_nothing(settled: Credit) -> None:
    assert settled.reward(lesson(60.0, 40.0, 50.0, is_first=False)) == 0.0
    assert settled.reward(lesson(44.0, 42.0, 50.0)) == pytest.approx(0.5)


def test_a_larger_gain_earns_more(settled: Credit) -> None:
    earned = [settled.reward(lesson(42.0 + gain, 42.0, 50.0)) for gain in (0.1, 1.0, 2.0, 6.0)]
    assert earned == sorted(earned)
    assert 0 < earned[0] < 0.1
    assert earned[2] == pytest.approx(0.5)
    assert 0.7 < earned[3] < 1


def test_repairing_a_poor_parent_earns_nothing(settled: Credit) -> None:
    assert settled.reward(lesson(39.0, 5.0, 50.0)) == 0.0
    assert settled.reward(lesson(42.0, 5.0, 50.0)) == pytest.approx(settled.reward(lesson(42.0, 40.0, 50.0)), abs=0.05)


def test_one_large_gain_does_not_spoil_the_later_ones(settled: Credit) -> None:
    settled.reward(lesson(1000.0, 42.0, 50.0))
    assert settled.reward(lesson(44.0, 42.0, 50.0)) == pytest.approx(0.5)


def test_late_small_steps_still_pay(settled: Credit) -> None:
    earned = []
    for _ in range(30):
        settled.reward(lesson(49.0, 49.9, 50.0))
        earned.append(settled.reward(lesson(49.901, 49.9, 50.0)))
    assert earned[0] < 0.01
    assert earned[-1] == pytest.approx(0.5)


def test_seeds_set_no_scale() -> None:
    credit = Credit()
    for merit in (0.0, 80.0, 20.0):
        credit.reward(lesson(merit, None, 50.0))
    assert credit.reward(lesson(49.0, 48.0, 50.0)) == pytest.approx(0.5)


def test_always_in_range_and_a_function_of_the_calls() -> None:
    rng = Random(0)
    lessons = []
    for _ in range(500):
        merit = None if rng.random() < 0.2 else rng.gauss(0, 10 ** rng.uniform(-9, 9))
        lessons.append(lesson(merit, rng.choice([None, rng.gauss(0, 5)]), rng.choice([None, rng.gauss(3, 5)])))
    first, second = Credit(), Credit()
    earned = [first.reward(one) for one in lessons]
    assert all(0 <= reward <= 1 for reward in earned)
    assert earned == [second.reward(one) for one in lessons]
