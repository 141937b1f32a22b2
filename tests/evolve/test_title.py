from __future__ import annotations

import pytest

from db.records import NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.memory import Record
from evolve.title import SEEDS_BLOCK, SPACING, Duel, Title

SHIFTS = {"a/0": 0.5, "a/1": -0.5, "b/0": 1.0, "b/1": -1.0}


def told(record: Record, score: float, split: Split, block: int, wobble: float = 0.0) -> None:
    """Measure a record; ``wobble`` moves the draws of a kind apart, so that nothing is proven."""
    results = tuple(
        WorkloadResult(
            name=name, objective=0, baseline=0, reference=1, ceiling=1, share=score + shift * wobble, stderr=0.1
        )
        for name, shift in SHIFTS.items()
    )
    record.add(
        Evaluation(
            problem="p",
            split=split,
            block=block,
            digest="d",
            outcome=Outcome.OK,
            score=score,
            stderr=0.1,
            low=score - 1,
            high=score + 1,
            workloads=results,
        )
    )


class Field:
    """A title, and those who want it; number 0 is the seed that holds it first."""

    def __init__(self, *scores: float) -> None:
        self.records: dict[int, Record] = {}
        self.title = Title(self.records)
        for number, score in enumerate(scores):
            candidate = NewCandidate(
                number=number, source="", digest=str(number), proposer="operators" if number else "seed", operator="o"
            )
            self.records[number] = Record(candidate=candidate)
            told(self.records[number], score, Split.TRAIN, 0)
            told(self.records[number], score, Split.VALIDATION, SEEDS_BLOCK)
        self.title.crown(0)

    def fight(self, duel: Duel, challenger: float, champion: float, wobble: float = 0.0) -> None:
        told(self.records[duel.challenger], challenger, Split.VALIDATION, duel.block, wobble)
        told(self.records[duel.champion], champion, Split.VALIDATION, duel.block)
        self.title.settle(duel.block)

    def duel(self, at: int) -> Duel:
        duel = self.title.next_duel(at)
        assert duel is not None
        return duel

    def fail(self, number: int) -> None:
        del self.records[number]
        self.title.drop(number)


def test_who_was_not_tried_or_failed_the_trial_does_not_challenge() -> None:
    field = Field(10.0, 12.0, 30.0)
    field.records[2].validation.clear()
    told(field.records[1], 9.0, Split.VALIDATION, SEEDS_BLOCK)
    field.title.reconsider()
    assert field.title.next_duel(50) is None
    told(field.records[2], 10.5, Split.VALIDATION, SEEDS_BLOCK)
    field.title.consider(2)
    assert field.duel(50).challenger == 2


def test_the_most_promising_challenges_first_on_a_block_of_its_own() -> None:
    field = Field(10.0, 12.0, 30.0, 5.0)
    duel = field.duel(20)
    assert duel == Duel(block=1, challenger=2, champion=0)
    assert {(p.number, p.purpose, p.split, p.block) for p in duel.planned} == {
        (number, Purpose.CONFIRM, Split.VALIDATION, 1) for number in (0, 2)
    }
    assert field.title.next_duel(500) is None, "one at a time"
    field.fight(duel, challenger=25.0, champion=9.0)
    assert field.title.best == 2
    assert field.title.next_duel(500) is None, "nobody is better than the new champion on train"


def test_a_difference_that_is_not_proven_changes_nothing_and_is_not_tried_again() -> None:
    field = Field(10.0, 30.0, 20.0)
    field.fight(field.duel(5), challenger=11.0, champion=10.0, wobble=20.0)
    assert field.title.best == 0
    field.title.consider(1)
    assert field.title.next_duel(SPACING - 1) is None, "each duel is worth so many verdicts"
    assert field.duel(SPACING) == Duel(block=2, challenger=2, champion=0)


def test_blocks_in_use_are_left_alone() -> None:
    field = Field(10.0, 30.0)
    field.title.note(Planned(number=7, purpose=Purpose.CONFIRM, split=Split.VALIDATION, block=6))
    field.title.note(Planned(number=7, purpose=Purpose.CARRY, split=Split.TRAIN, block=90))
    assert field.duel(20).block == 7


@pytest.mark.parametrize("failing", [0, 1])
def test_a_duel_with_one_who_fails_is_void(failing: int) -> None:
    field = Field(10.0, 30.0, 20.0)
    first = field.duel(20)
    field.fail(failing)
    told(field.records[1 - failing], 50.0, Split.VALIDATION, first.block)
    field.title.settle(first.block)
    assert field.title.best == (None if failing == 0 else 0)
    if failing == 1:
        assert field.duel(20 + SPACING).challenger == 2


def test_the_title_goes_back_to_the_former_champion_that_still_stands() -> None:
    field = Field(10.0, 20.0, 40.0)
    field.title.crown(1)
    field.title.crown(2)
    assert {0, 1, 2} == field.title.kept
    del field.records[1]
    field.title.drop(1)
    field.fail(2)
    assert field.title.best == 0
    assert field.title.next_duel(100) is None


def test_without_shared_train_workloads_nobody_challenges() -> None:
    field = Field(10.0)
    candidate = NewCandidate(number=1, source="", digest="1", proposer="operators", operator="o")
    field.records[1] = Record(candidate=candidate)
    told(field.records[1], 99.0, Split.TRAIN, block=1)
    told(field.records[1], 99.0, Split.VALIDATION, SEEDS_BLOCK)
    field.title.consider(1)
    assert field.title.next_duel(50) is None
    told(field.records[0], 10.0, Split.TRAIN, block=1)
    field.title.consider(0)
    assert field.duel(50).challenger == 1, "the champion has met the new block too"
