from __future__ import annotations

from random import Random

import pytest

from db.records import NewCandidate, VainPulls
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.bandit.arm import Arm, Offer
from evolve.bandit.costs import Limits
from evolve.bandit.discounted import DiscountedBandit
from evolve.config import complete
from evolve.desk import Written
from evolve.lesson import Lesson
from evolve.selectors import Adaptive, Member, Sequential
from evolve.steering import Steering
from evolve.tactics import make_steering

OFFERS = (Offer(arm=Arm(proposer="operators", operator="graft")), Offer(arm=Arm(proposer="tuner", operator="tune")))


def steering() -> Steering:
    made = Steering({"adaptive": Adaptive(), "sequential": Sequential()}, DiscountedBandit(), Limits(evaluations=100))
    made.tell(Member(number=0, mean=1.0, low=0.5, cell=(0,), is_seed=True))
    return made


def verdict(outcome: Outcome) -> Evaluation:
    is_ok = outcome is Outcome.OK
    return Evaluation(
        problem="p",
        split=Split.TRAIN,
        block=0,
        digest="d",
        outcome=outcome,
        reason="" if is_ok else "why",
        score=1.0 if is_ok else None,
        stderr=0.1 if is_ok else None,
        low=0.8 if is_ok else None,
        high=1.2 if is_ok else None,
        workloads=(
            WorkloadResult(name="w", objective=1.0, baseline=0.0, reference=1.0, ceiling=2.0, share=1.0, stderr=0.1),
        ),
        seconds=2.0,
    )


def lesson(number: int, arm: Arm, merit: float | None, *, refused: Written | None = None) -> Lesson:
    candidate = NewCandidate(
        number=number,
        source="x",
        digest=str(number),
        proposer=arm.proposer,
        operator=arm.operator,
        parents=(0,),
        arm=arm.key,
        refused=(VainPulls(arm=refused.arm.key, times=1, tokens=9, cost=0.5),) if refused and refused.arm else (),
    )
    return Lesson(
        candidate=candidate,
        evaluation=verdict(Outcome.OK if merit is not None else Outcome.CRASHED),
        is_first=True,
        value=merit,
        merit=merit,
        parent_merit=0.5,
        best_merit=0.5,
    )


def test_every_selector_hears_of_everybody_and_every_arm_has_one_of_them() -> None:
    made = steering()
    pulled = set()
    for draw in range(200):
        course = made.choose(Random(draw), OFFERS)
        assert course is not None
        assert course.arm is not None
        assert course.choice.parent == 0
        pulled.add(course.arm)
    assert {(arm.operator, arm.selector) for arm in pulled} == {
        (operator, selector) for operator in ("graft", "tune") for selector in ("adaptive", "sequential")
    }


def test_without_offers_the_first_selector_chooses_and_no_arm_is_pulled() -> None:
    made = steering()
    course = made.choose(Random(0), ())
    assert course is not None
    assert course.arm is None
    assert made.table() == ()


def test_nobody_measured_means_no_course_and_no_pull() -> None:
    made = Steering({"adaptive": Adaptive()}, DiscountedBandit())
    assert made.choose(Random(0), OFFERS) is None
    assert made.table() == ()


def test_a_replay_gives_the_same_arms_as_the_search_itself() -> None:
    live, told = steering(), []
    for number in range(1, 30):
        course = live.choose(Random(f"a{number}"), OFFERS)
        assert course is not None
        assert course.arm is not None
        refused = None
        if number % 3 == 0:
            refused = Written(reason="nothing", arm=course.arm, tokens=9, cost=0.5)
            live.refused(refused)
            assert live.take_refused() == (VainPulls(arm=course.arm.key, times=1, tokens=9, cost=0.5),)
            course = live.choose(Random(f"b{number}"), OFFERS)
            assert course is not None
            assert course.arm is not None
        merit = None if number % 5 == 0 else 0.5 + 0.1 * (number % 7)
        told.append(lesson(number, course.arm, merit, refused=refused))
        live.judged(told[-1])
    again = steering()
    for heard in told:
        again.replayed(heard.candidate)
        again.judged(heard)
    assert again.table() == live.table()
    assert sum(state.pulls for state in live.table()) == 29 + 9
    assert again.choose(Random(7), OFFERS) == live.choose(Random(7), OFFERS)


def test_arms_survive_the_archive() -> None:
    arm = Arm(proposer="llm", operator="edit", model="m at h:1", selector="beam")
    assert Arm.of(arm.key) == arm


@pytest.mark.parametrize(("without", "learns"), [(None, True), ("bandit", False)])
def test_without_a_bandit_arms_are_drawn_by_their_weights_whatever_came(without: str | None, *, learns: bool) -> None:
    made = make_steering(complete({"without": without}))
    made.tell(Member(number=0, mean=1.0, low=0.5, cell=(0,), is_seed=True))
    pulls = {"graft": 0, "tune": 0}
    for number in range(1, 200):
        course = made.choose(Random(number), OFFERS)
        assert course is not None
        assert course.arm is not None
        pulls[course.arm.operator] += 1
        made.judged(lesson(number, course.arm, 0.5 + 0.1 * number if course.arm.operator == "graft" else None))
    assert (pulls["graft"] > 1.5 * pulls["tune"]) is learns
