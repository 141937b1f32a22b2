from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from db.records import NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.memory import Record
from evolve.repeats import REPEAT_BLOCK, Repeats
from evolve.title import SEEDS_BLOCK

SHIFTS = (0.5, -0.5, 1.0, -1.0)


def told(record: Record, score: float, block: int = 0, *, wobble: float = 0.0, split: Split = Split.TRAIN) -> None:
    """Measure a record; ``wobble`` moves its workloads apart, so that nothing is proven."""
    results = tuple(
        WorkloadResult(
            name=str(place), objective=0, baseline=0, reference=1, ceiling=1, share=score + shift * wobble, stderr=0.1
        )
        for place, shift in enumerate(SHIFTS)
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


def field(*leads: tuple[float, float]) -> dict[int, Record]:
    """Number 0 is a seed and the champion; the others lead it by so much, with so much wobble."""
    records = {}
    for number, (lead, wobble) in enumerate([(0.0, 0.0), *leads]):
        proposer = "operators" if number else "seed"
        candidate = NewCandidate(number=number, source="", digest=str(number), proposer=proposer, operator="o")
        records[number] = Record(candidate=candidate)
        told(records[number], 10.0 + lead, wobble=wobble)
    return records


def asked(planned: Sequence[Planned]) -> list[tuple[int, int]]:
    assert all((each.purpose, each.split) == (Purpose.CARRY, Split.TRAIN) for each in planned)
    return [(each.number, each.block - REPEAT_BLOCK) for each in planned]


def test_who_is_better_on_average_but_not_surely_meets_the_champion_on_a_block_of_its_own() -> None:
    records = field((-1.0, 9.0), (5.0, 0.1), (1.0, 9.0), (0.0, 0.0))
    assert asked(Repeats().next(records, 0, 100)) == [(3, 0), (0, 0)]
    assert asked(Repeats().next(records, None, 100)) == []
    assert asked(Repeats().next(records, 7, 100)) == [], "the champion has failed"


def test_who_may_be_best_comes_first() -> None:
    assert asked(Repeats().next(field((1.0, 9.0), (2.0, 9.0), (1.0, 12.0), (2.0, 9.0)), 0, 100)) == [(3, 0), (0, 0)]


@pytest.mark.parametrize(("lead", "wobble"), [(-0.1, 9.0), (5.0, 0.1), (5.0, 0.0), (0.0, 0.0), (0.0, 9.0)])
def test_what_is_decided_or_has_no_noise_is_never_repeated(lead: float, wobble: float) -> None:
    assert Repeats().next(field((lead, wobble)), 0, 1000) == []


def test_where_programs_differ_by_more_than_noise_another_program_is_worth_more() -> None:
    """The same candidate, undecided, among some that differ little and among some that differ much."""
    unlike = [(-30.0, 9.0), (30.0, 1.0), (-60.0, 9.0), (60.0, 1.0)]
    alike = [(mean / 100, 9.0) for mean, _ in unlike]
    assert Repeats().next(field((1.0, 9.0), *unlike), 0, 1000) == []
    assert asked(Repeats().next(field((1.0, 9.0), *alike), 0, 1000)) == [(1, 0), (0, 0)]


def test_a_seed_and_who_failed_the_trial_are_not_repeated() -> None:
    records = field((1.0, 9.0), (1.0, 9.0))
    records[1].candidate = replace(records[1].candidate, proposer="seed")
    for number, score in ((0, 10.0), (2, 9.0)):
        told(records[number], score, SEEDS_BLOCK, split=Split.VALIDATION)
    assert Repeats().next(records, 0, 100) == []


def test_one_pair_at_a_time_and_the_champions_measurement_serves_all() -> None:
    records, repeats = field((1.0, 9.0), (1.0, 8.0)), Repeats()
    first = repeats.next(records, 0, 100)
    assert asked(first) == [(1, 0), (0, 0)]
    assert repeats.kept == {0, 1}
    assert repeats.next(records, 0, 100) == []
    told(records[1], 7.0, first[0].block, wobble=9.0)
    assert repeats.next(records, 0, 100) == [], "the champion is still under way"
    told(records[0], 10.0, first[1].block)
    assert asked(repeats.next(records, 0, 100)) == [(2, 0)]
    del records[2]
    repeats.next(records, 0, 100)
    assert repeats.kept == set(), "who failed keeps nobody waiting"


def test_it_ends_when_decided_or_after_so_many_blocks() -> None:
    records, repeats = field((1.0, 9.0)), Repeats(most_blocks=3)
    blocks = []
    while planned := repeats.next(records, 0, 1000):
        blocks.append(planned[0].block - REPEAT_BLOCK)
        for each in planned:
            told(records[each.number], 10.0 + each.number, each.block, wobble=9.0 * each.number)
    assert blocks == [0, 1, 2]
    for block, later in ((0, 5.0), (1, -5.0)):
        records, repeats = field((1.0, 3.0)), Repeats()
        for each in repeats.next(records, 0, 1000):
            told(records[each.number], 10.0 + later * each.number, each.block)
        assert repeats.next(records, 0, 1000) == [], f"decided by block {block}"


def test_the_yardstick_is_measured_too_so_that_it_counts_for_who_becomes_a_parent() -> None:
    records = field((2.0, 0.0), (3.0, 9.0))
    for record in records.values():
        record.measure_by(records[0], None)
    assert asked(Repeats().next(records, 1, 100)) == [(2, 0), (1, 0), (0, 0)]
    del records[0]
    assert asked(Repeats().next(records, 1, 100)) == [(2, 0), (1, 0)]


def test_no_more_than_a_part_of_all_verdicts_comes_of_repeats() -> None:
    records = field(*[(1.0, 9.0)] * 40)
    repeats, verdicts, repeated = Repeats(most_share=0.1), 41, 0
    for _ in range(400):
        planned = repeats.next(records, 0, verdicts)
        for each in planned:
            told(records[each.number], 10.0, each.block, wobble=9.0 * bool(each.number))
        repeated += len(planned)
        verdicts += len(planned) or 1
        assert repeated <= 0.1 * verdicts
    assert repeated >= 0.09 * verdicts - 2
    assert Repeats(most_share=0.0).next(records, 0, 10**6) == []


def test_a_replay_that_notes_what_was_planned_goes_on_alike() -> None:
    records, live, again = field((1.0, 9.0), (1.0, 8.0)), Repeats(most_share=0.03), Repeats(most_share=0.03)
    first = live.next(records, 0, 100)
    for each in (*first, *first, Planned(number=1, purpose=Purpose.CARRY, split=Split.TRAIN, block=3)):
        again.note(each)
    assert again.kept == live.kept
    for each in first:
        told(records[each.number], 9.0, each.block)
        live.note(each)
    for count in (100, 101, 140):
        assert live.next(records, 0, count) == again.next(records, 0, count)
        assert live.kept == again.kept


@pytest.mark.parametrize(("blocks", "share"), [(0, 0.1), (12, 0.1), (4, -0.1), (4, 1.5)])
def test_bad_settings_are_refused(blocks: int, share: float) -> None:
    with pytest.raises(ValueError, match="repeats need 1 to 6 blocks and a share of the verdicts from 0 to 1"):
        Repeats(most_blocks=blocks, most_share=share)
