from __future__ import annotations

import dataclasses

import pytest

from db.records import NewCandidate
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.statistics import paired, t_quantile
from evolve.memory import EVALUATIONS_KEPT, Record, advantage

KINDS = ("a/0", "a/1", "b/0", "b/1")


def record(number: int, *parents: int, proposer: str = "operators") -> Record:
    return Record(
        candidate=NewCandidate(
            number=number, source="", digest=str(number), proposer=proposer, operator="o", parents=parents
        )
    )


def measured(
    shares: list[float], split: Split = Split.TRAIN, block: int = 0, *, stored_before_strata: bool = False
) -> Evaluation:
    mean = sum(shares) / len(shares)
    return Evaluation(
        problem="p",
        split=split,
        block=block,
        digest="d",
        outcome=Outcome.OK,
        score=mean,
        stderr=0.5,
        low=mean - 1,
        high=mean + 1,
        workloads=tuple(
            WorkloadResult(
                name=name,
                objective=0,
                baseline=0,
                reference=1,
                ceiling=1,
                share=share,
                stderr=0.5,
                stratum="" if stored_before_strata else f"kind {name[0]}",
            )
            for name, share in zip(KINDS, shares, strict=True)
        ),
    )


def flat(score: float, split: Split = Split.TRAIN, block: int = 0) -> Evaluation:
    return measured([score] * 4, split, block)


def test_merit_takes_off_what_is_lost_on_validation() -> None:
    ours = record(5)
    ours.add(flat(40.0))
    before = ours.merit
    assert before < 40.0
    ours.add(flat(10.0, Split.VALIDATION))
    assert ours.merit == pytest.approx(before - 30.0)
    ours.add(flat(90.0, Split.VALIDATION, block=1))
    assert ours.merit == pytest.approx(before), "a higher score on validation is no bonus"


def test_a_child_is_ranked_by_what_its_nearest_validated_ancestor_lost() -> None:
    parent, child, grandchild, other = record(1), record(2, 1), record(3, 2), record(4)
    for ours in (parent, child, grandchild, other):
        ours.add(flat(40.0))
    child.inherit(parent)
    grandchild.inherit(child)
    parent.add(flat(-20.0, Split.VALIDATION))
    assert all(heir.learn_from(parent) for heir in (child, grandchild))
    assert not other.learn_from(parent)
    assert child.merit == grandchild.merit == parent.merit < other.merit
    child.add(flat(35.0, Split.VALIDATION))
    assert grandchild.learn_from(child), "the nearer ancestor counts"
    assert grandchild.discount == -5.0
    assert not grandchild.learn_from(parent)
    late = record(6, 2)
    late.inherit(child)
    assert (late.discount, late.line) == (-5.0, ())


def test_memory_of_one_candidate_stays_bounded() -> None:
    ours = record(1)
    for block in range(40):
        ours.add(flat(float(block), Split.VALIDATION, block))
    assert sorted(ours.validation) == [0, *range(41 - EVALUATIONS_KEPT, 40)], "the first and the latest"


def test_an_estimate_over_blocks_has_a_degree_for_each_kind_drawn_twice_and_block() -> None:
    ours = record(1)
    for block in range(3):
        ours.add(flat(40.0, block=block))
        pooled = ours.estimate(Split.TRAIN)
        assert pooled is not None
        assert pooled.high - pooled.mean == pytest.approx(t_quantile(2 * (block + 1)) * pooled.stderr)


def test_duels_hang_on_the_stratum_and_not_on_the_name() -> None:
    shares = [1.0, 3.0, 60.0, 62.0], [0.0, 2.0, 40.0, 42.0]
    ours, theirs = record(1), record(2)
    for one, its in zip((ours, theirs), shares, strict=True):
        one.add(measured(its, stored_before_strata=True))
    assert advantage(ours, theirs, Split.TRAIN) == paired(*shares), "of unknown strata the workloads are one population"


def test_advantage_pairs_the_blocks_that_both_have_met() -> None:
    ours, theirs = record(1), record(2)
    ours.add(measured([1.0, 3.0, 60.0, 62.0]))
    assert advantage(ours, theirs, Split.TRAIN) is None
    theirs.add(measured([0.0, 2.0, 40.0, 42.0]))
    lead = advantage(ours, theirs, Split.TRAIN)
    assert lead is not None
    assert (lead.mean, lead.low) == (10.5, 10.5), "the kinds differ, their draws do not"
    ours.add(flat(0.0, block=1))
    theirs.add(flat(50.0, block=1))
    both, new = advantage(ours, theirs, Split.TRAIN), advantage(ours, theirs, Split.TRAIN, block=1)
    assert both is not None
    assert new is not None
    assert (both.mean, new.mean) == (-19.75, -50.0)
    assert advantage(ours, theirs, Split.TRAIN, block=2) is None


def drawn(score: float, shift: float, split: Split = Split.TRAIN, block: int = 0) -> Evaluation:
    """A score on a block whose draws move everybody alike."""
    plain = flat(score, split, block)
    shifts = [shift * (-1) ** index for index in range(len(plain.workloads))]
    moved = [
        dataclasses.replace(result, share=result.share + shift, stderr=abs(shift))
        for result, shift in zip(plain.workloads, shifts, strict=True)
    ]
    return dataclasses.replace(plain, workloads=tuple(moved))


def test_what_the_draw_does_to_everybody_alike_does_not_count() -> None:
    yardstick, better = record(1), record(2)
    for ours, score in ((yardstick, 10.0), (better, 14.0)):
        ours.add(drawn(score, 8.0))
    alone = better.merit
    for ours in (yardstick, better):
        ours.measure_by(yardstick, None)
    assert alone < yardstick.merit == pytest.approx(10.0)
    assert better.merit == pytest.approx(14.0)
    better.add(flat(5.0, Split.VALIDATION))
    yardstick.add(flat(4.0, Split.VALIDATION))
    better.add(flat(5.0, Split.VALIDATION, block=1))
    assert better.discount == pytest.approx(-3.0), "its lead of 4 on train is 1 on the validation block that both met"


def test_who_has_not_met_the_yardstick_is_not_ranked_yet() -> None:
    yardstick, late = record(1), record(2)
    yardstick.add(flat(10.0))
    late.add(flat(30.0, block=1))
    for ours in (yardstick, late):
        ours.measure_by(yardstick, None)
    assert late.merit == float("-inf")
    yardstick.add(flat(10.0, block=1))
    assert late.merit == pytest.approx(30.0)


def test_a_gain_in_time_on_one_shape_counts_by_the_clock_s_errors() -> None:
    shares = [0.0, 0.0, 0.0, 12.0], [0.0] * 4
    leads = []
    for is_kernel in (False, True):
        ours, theirs = record(1), record(2)
        for one, its in zip((ours, theirs), shares, strict=True):
            one.is_kernel = is_kernel
            one.add(measured(its, stored_before_strata=True))
        lead = advantage(ours, theirs, Split.TRAIN)
        assert lead is not None
        leads.append(lead)
    population, clocked = leads
    assert population.mean == clocked.mean == 3.0
    assert population.low < 0 < clocked.low
    assert clocked.stderr == pytest.approx((4 * 2 * 0.5**2) ** 0.5 / 4), "of both times"
