from __future__ import annotations

from random import Random
from statistics import fmean

import pytest

from db.records import NewCandidate
from evaluators.model import Evaluation, Outcome, Split
from evolve.bandit import Credit
from evolve.bandit.reward import BELOW_THE_BEST, FADING
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
    """A search where the best has 50 points and three in four have less than 42, and where the largest gain is 2."""
    credit = Credit()
    for _ in range(28):
        credit.reward(lesson(40.0, 40.0, 50.0))
    for _ in range(11):
        credit.reward(lesson(42.0, 42.0, 50.0))
    credit.reward(lesson(50.0, 48.0, 48.0))
    return credit


def nothing(credit: Credit, times: int) -> None:
    """Let so many candidates fail."""
    for _ in range(times):
        assert credit.reward(lesson(None, 42.0, 50.0)) == 0.0


def test_the_largest_gain_earns_all(settled: Credit) -> None:
    assert Credit().reward(lesson(1.0, 0.5, 0.7)) == 1.0
    assert settled.reward(lesson(54.0, 49.0, 50.0)) == 1.0
    assert settled.reward(lesson(58.0, 54.0, 54.0)) == 1.0


def test_nothing_gained_earns_nothing(settled: Credit) -> None:
    assert settled.reward(lesson(None, 45.0, 50.0)) == 0.0
    assert settled.reward(lesson(45.0, 45.0, 50.0)) == 0.0
    assert settled.reward(lesson(50.0, 50.0, 50.0)) == 0.0
    assert Credit().reward(lesson(1.0, None, None)) == 0.0


def test_only_first_verdicts_pay_and_others_change_nothing(settled: Credit) -> None:
    for _ in range(20):
        assert settled.reward(lesson(60.0, 40.0, 50.0, is_first=False)) == 0.0
    assert settled.reward(lesson(51.0, 50.0, 50.0)) == pytest.approx(0.5 / FADING)


def test_what_is_earned_is_the_share_of_the_faded_largest_gain(settled: Credit) -> None:
    earned = [settled.reward(lesson(50.0 + gain, 50.0, 50.0)) for gain in (0.1, 0.5, 1.0)]
    assert earned == pytest.approx([0.05 / FADING, 0.25 / FADING**2, 0.5 / FADING**3])


def test_failures_fade_the_largest_gain_too(settled: Credit) -> None:
    nothing(settled, 9)
    assert settled.reward(lesson(51.0, 50.0, 50.0)) == pytest.approx(0.5 / FADING**10)


def test_repairing_a_poor_parent_earns_little(settled: Credit) -> None:
    assert settled.reward(lesson(41.0, 5.0, 50.0)) == 0.0
    assert settled.reward(lesson(42.2, 5.0, 50.0)) == pytest.approx(0.1 / FADING**2)
    assert settled.reward(lesson(49.9, 5.0, 50.0)) == BELOW_THE_BEST
    assert settled.reward(lesson(42.2, 42.1, 50.0)) == pytest.approx(0.05 / FADING**4)
    assert settled.reward(lesson(51.0, 5.0, 50.0)) == pytest.approx(BELOW_THE_BEST + 0.5 / FADING**5)


def test_what_is_below_the_best_never_becomes_the_measure() -> None:
    credit = Credit()
    for _ in range(3):
        credit.reward(lesson(-60.0, 20.0, 20.0))
    assert [credit.reward(lesson(19.0, -60.0, 20.0)) for _ in range(2)] == [BELOW_THE_BEST, 0.0]
    assert credit.reward(lesson(20.1, 20.0, 20.0)) == 1.0


@pytest.mark.parametrize("poor", [1, 2, 3, 4])
def test_who_writes_poor_programs_to_repair_them_earns_less_than_who_makes_the_progress(poor: int) -> None:
    credit, best = Credit(), 20.0
    hostile, honest = [], []
    for turn in range(60 * (poor + 2)):
        step = turn % (poor + 2)
        if step < poor:
            hostile.append(credit.reward(lesson(-60.0, best, best)))
        elif step == poor:
            hostile.append(credit.reward(lesson(best - 1.0, -60.0, best)))
        else:
            honest.append(credit.reward(lesson(best + 0.3, best, best)))
            best += 0.3
    assert fmean(honest) > 0.95
    assert fmean(hostile) < BELOW_THE_BEST / 2


def test_a_new_best_is_measured_like_any_other_gain(settled: Credit) -> None:
    assert settled.reward(lesson(50.001, 50.0, 50.0)) == pytest.approx(0.0005 / FADING)
    assert settled.reward(lesson(50.501, 50.001, 50.001)) == pytest.approx(0.25 / FADING**2)


def test_tiny_new_bests_earn_little_until_a_large_gain_has_faded(settled: Credit) -> None:
    best, step, earned = 60.0, 0.001, []
    assert settled.reward(lesson(best, 50.0, 50.0)) == 1.0
    for _ in range(300):
        earned.append(settled.reward(lesson(best + step, best, best)))
        best += step
    assert sum(earned[:50]) < 0.05
    assert earned[:200] == sorted(earned[:200])
    assert min(earned[250:]) > 0.9


def test_one_large_gain_does_not_spoil_the_later_ones_for_long(settled: Credit) -> None:
    assert settled.reward(lesson(150.0, 50.0, 50.0)) == 1.0
    assert settled.reward(lesson(152.0, 150.0, 150.0)) < 0.03
    nothing(settled, 94)
    assert settled.reward(lesson(154.0, 152.0, 152.0)) > 0.9


def test_a_gain_from_no_parent_is_measured_from_what_three_in_four_do_not_reach(settled: Credit) -> None:
    assert settled.reward(lesson(42.2, None, 50.0)) == pytest.approx(0.1 / FADING)
    assert settled.reward(lesson(41.0, None, 50.0)) == 0.0


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
