"""The end of a run: finalists and the best seeds meet hidden workloads that nobody has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db.archive import Archive
from db.records import Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, lead_errors
from evaluators.statistics import Estimate, paired, simultaneous
from evolve.finishing import Simplified
from evolve.runner import Runner
from evolve.simplify import keeps_the_score

FINALISTS = 3
SEEDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """One contender of a final.

    Args:
        number: the candidate.
        is_seed: whether it is an unmodified starting program.
        evaluation: its verdict on the hidden block.
        advantage: paired advantage in points over the best unmodified seed on the same hidden block; None for seeds
            and failures. Its interval is simultaneous: with 95 % all finalists' intervals hold at once, so that the
            most lucky of them is no claim. The error is the spread over all workloads, machines as well as draws; of
            kernels, whose hidden workloads are a shape each, that of their times: the claim is about these shapes.
    """

    number: int
    is_seed: bool
    evaluation: Evaluation
    advantage: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalResult:
    """What a final found: the placings in the order of merit known before it, and the winner, if any is ok."""

    block: int
    placings: tuple[Placing, ...]
    best_seed: int
    winner: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contenders:
    """Who meets in a final.

    Args:
        finalists: numbers of evolved candidates, in the order of merit known before.
        seeds: numbers of the best unmodified starting programs.
        is_kernel: whether these are kernels, whose times carry the error of being seated in memory anew.
    """

    finalists: tuple[int, ...]
    seeds: tuple[int, ...]
    is_kernel: bool = False


def plan_final(archive: Archive, run_id: int, finalists: list[int], seed_numbers: list[int]) -> list[Planned]:
    """Plan a final on the next unused hidden block, or go on with one that was cut short."""
    contenders = [*finalists, *seed_numbers]
    records = [
        record
        for number in contenders
        for record in archive.evaluations(run_id, number)
        if record.planned.purpose is Purpose.FINAL
    ]
    blocks = {record.planned.block for record in records}
    unfinished = {record.planned.block for record in records if record.evaluation is None}
    block = min(unfinished) if unfinished else max(blocks, default=-1) + 1
    done = {r.planned.number for r in records if r.planned.block == block and r.evaluation is not None}
    return [
        Planned(number=number, purpose=Purpose.FINAL, split=Split.HIDDEN, block=block)
        for number in contenders
        if number not in done
    ]


def run_final(
    archive: Archive,
    run_id: int,
    runner: Runner,
    contenders: Contenders,
    stopping: Callable[[], bool],
    *,
    simplified: Simplified | None = None,
) -> FinalResult | None:
    """Measure the contenders on hidden workloads; None when it was interrupted.

    The winner is the first finalist, in the order of merit known before, whose paired advantage over the best seed
    has the lower end of its simultaneous interval above 0, so that with no real advantage anywhere a final names a
    finalist in at most 2.5 of 100 cases; picking the highest hidden score instead would
    select on the very split that is to stay unselected. With none, the best seed is what one should use.

    A simplified version of a finalist goes before it, and wins only where it keeps the original's score here too. That
    one choice, between two programs that were equal on train, is made on the hidden block. The interval counts both:
    by luck of its own the simplified one may be ahead of the seed where the original is not, and its advantage is told.
    """
    finalists, seed_numbers = list(contenders.finalists), list(contenders.seeds)
    if simplified is not None and simplified.original in finalists and simplified.number not in finalists:
        place = finalists.index(simplified.original)
        finalists = [*finalists[:place], simplified.number, *finalists[place:]]
    else:
        simplified = None
    planned = plan_final(archive, run_id, finalists, seed_numbers)
    block = planned[0].block
    runner.measure(planned, stopping)
    verdicts: dict[int, Evaluation] = {}
    for number in (*finalists, *seed_numbers):
        for record in archive.evaluations(run_id, number):
            if record.planned.purpose is Purpose.FINAL and record.planned.block == block:
                if record.evaluation is None:
                    return None
                verdicts[number] = record.evaluation
    # The seed that does best on this very block: its luck there makes every advantage smaller, never larger.
    best_seed = max(seed_numbers, key=lambda number: _score(verdicts[number]))
    yardstick = verdicts[best_seed]
    compared = [n for n in finalists if Outcome.OK is verdicts[n].outcome is yardstick.outcome]
    confidence = simultaneous(len(compared))
    placings = [
        Placing(
            number=number,
            is_seed=number in seed_numbers,
            evaluation=verdicts[number],
            advantage=_advantage(verdicts[number], yardstick, confidence, is_kernel=contenders.is_kernel)
            if number in compared
            else None,
        )
        for number in (*finalists, *seed_numbers)
    ]
    if simplified is not None and not keeps_the_score(verdicts[simplified.number], verdicts[simplified.original]):
        eligible = [placing for placing in placings if placing.number != simplified.number]
    else:
        eligible = placings
    winner = _winner(eligible, best_seed)
    if winner is not None:
        archive.set_best(run_id, winner, Split.HIDDEN)
    return FinalResult(block=block, placings=tuple(placings), best_seed=best_seed, winner=winner)


def _advantage(ours: Evaluation, theirs: Evaluation, confidence: float, *, is_kernel: bool) -> Estimate:
    pairs = list(zip(ours.workloads, theirs.workloads, strict=True))
    kinds = [one.kind for one, _ in pairs]
    if is_kernel and len(set(kinds)) == len(kinds):
        errors = lead_errors(pairs)
        return paired(ours.shares, theirs.shares, strata=kinds, errors=errors, confidence=confidence)
    return paired(ours.shares, theirs.shares, confidence=confidence)


def _winner(placings: list[Placing], best_seed: int) -> int | None:
    for placing in placings:
        if placing.advantage is not None and placing.advantage.low > 0:
            return placing.number
    seed_is_ok = any(p.number == best_seed and p.evaluation.outcome is Outcome.OK for p in placings)
    return best_seed if seed_is_ok else None


def _score(evaluation: Evaluation) -> float:
    return evaluation.score if evaluation.score is not None else float("-inf")
