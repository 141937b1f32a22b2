from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from db.records import NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.problem import Problem
from evaluators.registry import load_problem
from evolve.desk import InlineDesk
from evolve.drafting import ATTEMPTS, Refusal, SearchExhaustedError
from evolve.evolution import CARRIED, Ask, Evolution
from evolve.parts import Parts
from evolve.proposal import Context, Proposal, ProposalError, Selection
from evolve.racing import Racing
from evolve.selectors import Adaptive
from evolve.steering import Steering
from evolve.title import SEEDS_BLOCK, SPACING

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")


class Counter:
    """A proposer that returns a new constant each time it is asked."""

    name = "counter"

    def propose(self, selection: Selection, context: Context) -> Proposal:
        value = round(context.rng.random(), 9)
        source = f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {value})\n"
        return Proposal(source=source, proposer="counter", operator="count", parents=(selection.parent.number,))


class Mute:
    """A proposer that never finds anything."""

    name = "mute"

    def propose(self, selection: Selection, context: Context) -> Proposal:
        raise ProposalError("nothing")


def verdict(planned: Planned, score: float | None, stderr: float = 0.5) -> Evaluation:
    if score is None:
        return Evaluation(
            problem="trivial",
            split=planned.split,
            block=planned.block,
            digest="d",
            outcome=Outcome.CRASHED,
            reason="KeyError",
        )
    results = [
        WorkloadResult(
            name=name, objective=0, baseline=0, reference=1, ceiling=1, share=score + shift, stderr=stderr + shift / 100
        )
        for name, shift in (("a/0", -1.0), ("a/1", 1.0), ("b/0", 2.0), ("b/1", -2.0))
    ]
    return Evaluation(
        problem="trivial",
        split=planned.split,
        block=planned.block,
        digest="d",
        outcome=Outcome.OK,
        score=score,
        stderr=stderr,
        low=score - 1,
        high=score + 1,
        workloads=tuple(results),
        metrics={"distance": 0.3, "call_ms": 1.0},
    )


class Driver:
    """Asks and tells as a runner does, remembering candidates as an archive does."""

    def __init__(self, proposer: object | None = None, *, block_size: int = 200, seed: int = 0) -> None:
        self.problem: Problem = load_problem(TRIVIAL)
        self.candidates: dict[int, NewCandidate] = {}
        self.told: list[tuple[Planned, Evaluation]] = []
        self.desk = InlineDesk(proposer or Counter())  # type: ignore[arg-type]
        self.evolution = Evolution(
            self.problem,
            Steering({"adaptive": Adaptive()}),
            seed=seed,
            known=lambda digest: next((c.number for c in self.candidates.values() if c.digest == digest), None),
            block_size=block_size,
            parts=Parts(racing=Racing()),
        )

    def try_ask(self) -> Ask | None:
        ask = self.evolution.ask()
        while ask is None and (draft := self.evolution.draft()) is not None:
            self.desk.submit(draft)
            written = self.desk.next_written(0)
            assert written is not None
            accepted = self.evolution.accept(written)
            ask = None if isinstance(accepted, Refusal) else accepted
        return ask

    def ask(self) -> Ask:
        ask = self.try_ask()
        assert ask is not None
        if ask.candidate is not None:
            assert ask.candidate.number == len(self.candidates)
            self.candidates[ask.candidate.number] = ask.candidate
        return ask

    def tell(self, ask: Ask, score: float | None) -> None:
        evaluation = verdict(ask.planned, score)
        self.told.append((ask.planned, evaluation))
        self.evolution.tell(self.candidates[ask.planned.number], ask.planned, evaluation)

    def go(self, count: int, score: Callable[[Planned], float | None]) -> list[Planned]:
        plans = []
        for _ in range(count):
            ask = self.ask()
            self.tell(ask, score(ask.planned))
            plans.append(ask.planned)
        return plans


def test_seeds_come_first_and_unmodified() -> None:
    driver = Driver()
    asked = [driver.ask().candidate for _ in driver.problem.seeds]
    assert [c.source for c in asked if c] == [seed.source for seed in driver.problem.seeds]
    assert {c.proposer for c in asked if c} == {"seed"}
    assert driver.try_ask() is None, "nothing can be bred before a seed has been measured"


def test_children_name_their_parents_and_meet_their_parents_workloads() -> None:
    driver = Driver()
    driver.go(2, lambda planned: 10.0 - planned.number)
    while (ask := driver.ask()).planned.purpose is not Purpose.SEARCH:
        driver.tell(ask, 10.0)
    assert ask.candidate is not None
    parent = ask.candidate.parents[0]
    assert parent in (0, 1)
    rival = driver.evolution.race(ask.candidate, ask.planned).shares
    assert rival == tuple(10.0 - parent + shift for shift in (-1.0, 1.0, 2.0, -2.0))


@pytest.mark.parametrize(("parent", "incumbent"), [(0, 1), (1, 0), (0, None), (0, 99)])
def test_a_tuned_program_races_the_better_one_of_its_parent_and_its_study(parent: int, incumbent: int | None) -> None:
    driver = Driver()
    driver.go(2, lambda planned: 10.0 - planned.number)
    driver.evolution.teach(lambda lesson: None, lambda source: incumbent)
    tuned = NewCandidate(number=2, source="x = 1\n", digest="d", proposer="tuner", operator="tune", parents=(parent,))
    planned = Planned(number=2, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
    assert driver.evolution.race(tuned, planned).shares == (9.0, 11.0, 12.0, 8.0), "those of candidate 0"


def test_every_seed_meets_validation_and_the_best_of_both_is_called_best_first() -> None:
    driver = Driver()
    on_train = {0: 10.0, 1: 30.0}
    on_validation = {0: 8.0, 1: -40.0}
    plans = driver.go(4, lambda p: (on_train if p.split is Split.TRAIN else on_validation)[p.number])
    assert [p.purpose for p in plans] == [Purpose.SEARCH] * 2 + [Purpose.CONFIRM] * 2
    assert {p.block for p in plans} == {0}
    assert driver.evolution.best == 0, "seed 1 fits the train machines alone"


def test_a_leader_is_confirmed_on_workloads_that_nobody_has_met_before_it_is_called_best() -> None:
    driver = Driver()
    bests = set()
    for _ in range(80):
        driver.go(1, lambda p: float(p.number))
        bests.add(driver.evolution.best)
    duels = [p for p, _ in driver.told if p.purpose is Purpose.CONFIRM and p.block != SEEDS_BLOCK]
    assert len(duels) >= 6
    for block in {p.block for p in duels}:
        pair = [p.number for p in duels if p.block == block]
        assert len(pair) == 2, "the challenger and the champion"
        assert all(p.split is Split.VALIDATION for p in duels)
    assert bests - {None} <= {p.number for p in duels} | {0, 1}
    assert driver.evolution.best == max(p.number for p in duels)


def test_validation_decides_and_not_train() -> None:
    driver = Driver()
    driver.go(60, lambda p: {Split.TRAIN: float(p.number), Split.VALIDATION: 50.0 - p.number}[p.split])
    challengers = {p.number for p, _ in driver.told if p.purpose is Purpose.CONFIRM}
    assert len(challengers) > 3
    assert driver.evolution.best == 1, "the best seed by train; everyone later is worse on validation"


def test_who_is_not_shown_to_be_better_on_train_costs_no_confirmation() -> None:
    driver = Driver()
    driver.go(60, lambda p: 50.0 - p.number)
    assert {p.number for p, _ in driver.told if p.purpose is Purpose.CONFIRM} == {0, 1}


def test_of_two_with_the_same_validation_score_the_older_stays_best() -> None:
    driver = Driver()
    driver.go(30, lambda p: float(p.number) if p.split is Split.TRAIN else 7.0)
    assert driver.evolution.best == 1, "the seed of the higher train score"
    assert len([p for p, _ in driver.told if p.purpose is Purpose.CONFIRM]) > 4


def test_duels_cost_at_most_two_evaluations_in_every_spacing() -> None:
    driver = Driver()
    driver.go(200, lambda p: float(p.number))
    confirmed = [p for p, _ in driver.told if p.purpose is Purpose.CONFIRM]
    assert sum(p.block != SEEDS_BLOCK for p in confirmed) <= 2 * (200 / SPACING + 1)
    assert len({p.number for p in confirmed if p.block == SEEDS_BLOCK}) == sum(
        p.block == SEEDS_BLOCK for p in confirmed
    ), "nobody is tried twice"


def test_only_who_would_lead_is_tried_before_it_fathers_the_search() -> None:
    driver = Driver()
    # Every candidate is worse than the seeds, but for one that shines on train alone and one that is really better.
    worth = {10: (50.0, -40.0), 25: (8.0, 8.0)}

    def score(planned: Planned) -> float:
        train, validation = worth.get(planned.number, (float(planned.number < 2),) * 2)
        return train if planned.split is Split.TRAIN else validation

    plans = driver.go(60, score)
    tried = [p.number for p in plans if p.purpose is Purpose.CONFIRM and p.block == SEEDS_BLOCK]
    assert set(tried) <= {0, 1, 10, 25}
    assert {10, 25} <= set(tried)
    assert driver.evolution.best == 25
    assert driver.evolution.finalists(1) == [25]
    later = [p for p in driver.go(30, score) if p.purpose is Purpose.SEARCH]
    fathers = [driver.candidates[p.number].parents[0] for p in later]
    assert fathers.count(25) > fathers.count(10)


def test_a_new_block_measures_the_leaders_again() -> None:
    driver = Driver(block_size=12)
    plans = driver.go(40, lambda p: 1.0)
    carried = [p for p in plans if p.purpose is Purpose.CARRY]
    # The champion meets the new block too, or nobody measured there could challenge it.
    assert CARRIED <= len([p for p in carried if p.block == 1]) <= CARRIED + 1
    assert driver.evolution.best in {p.number for p in carried if p.block == 1}
    assert all(p.split is Split.TRAIN for p in carried)
    assert len({(p.number, p.block) for p in carried}) == len(carried)


def test_who_fails_anywhere_is_no_parent_no_finalist_and_not_best() -> None:
    driver = Driver()

    def score(planned: Planned) -> float | None:
        if planned.split is Split.VALIDATION and planned.number >= 2:
            return None
        return float(planned.number)

    driver.go(40, score)
    failed = {p.number for p, e in driver.told if e.outcome is not Outcome.OK}
    assert failed
    assert driver.evolution.best not in failed
    assert not failed & set(driver.evolution.finalists(99))
    later = driver.go(20, lambda p: 0.0)
    parents = {driver.candidates[p.number].parents[0] for p in later if p.purpose is Purpose.SEARCH}
    assert not failed & parents


def test_finalists_are_evolved_and_the_best_leads_them() -> None:
    driver = Driver()
    driver.go(40, lambda p: float(p.number))
    finalists = driver.evolution.finalists(3)
    assert len(finalists) == 3
    assert finalists[0] == driver.evolution.best
    assert min(finalists) >= 2
    assert driver.evolution.best_seeds(5) == [1, 0]


def test_same_seed_same_trajectory_another_seed_another_one() -> None:
    def sources(seed: int) -> list[str]:
        driver = Driver(seed=seed)
        driver.go(30, lambda p: Random(p.number).random())
        return [driver.candidates[number].source for number in sorted(driver.candidates)]

    assert sources(1) == sources(1)
    assert sources(1) != sources(2)


@pytest.mark.parametrize("cut", [1, 2, 7, 13, 14, 20, 33])
def test_a_replay_leads_to_the_same_future(cut: int) -> None:
    """Killed after any number of steps, a rebuilt search goes on exactly as the undisturbed one."""

    def score(planned: Planned) -> float | None:
        value = Random(f"{planned.number}:{planned.split}:{planned.block}").gauss(0, 10)
        return None if value < -12 else value

    whole = Driver(block_size=12)
    whole.go(45, score)
    again = Driver(block_size=12)
    for planned, evaluation in whole.told[:cut]:
        candidate = whole.candidates[planned.number]
        again.candidates[planned.number] = candidate
        again.evolution.tell(candidate, planned, evaluation)
        again.told.append((planned, evaluation))
    again.go(45 - cut, score)
    assert [planned for planned, _ in again.told] == [planned for planned, _ in whole.told]
    assert again.candidates == whole.candidates
    assert again.evolution.best == whole.evolution.best


def test_what_was_in_flight_is_not_asked_again() -> None:
    whole = Driver()
    whole.go(10, lambda p: float(p.number))
    flying = whole.ask()
    again = Driver()
    for planned, evaluation in whole.told:
        candidate = whole.candidates[planned.number]
        again.candidates[planned.number] = candidate
        again.evolution.tell(candidate, planned, evaluation)
    again.candidates[flying.planned.number] = whole.candidates[flying.planned.number]
    again.evolution.restore(whole.candidates[flying.planned.number], flying.planned)
    assert again.ask().planned == whole.ask().planned


def test_a_proposer_with_nothing_new_ends_the_search_with_a_reason() -> None:
    driver = Driver(Mute())
    driver.go(2, lambda p: 5.0)
    with pytest.raises(SearchExhaustedError, match=f"no new program in {ATTEMPTS} attempts"):
        driver.go(5, lambda p: 5.0)


def test_memory_stays_bounded() -> None:
    driver = Driver(block_size=100_000)
    rng = Random(5)
    driver.go(400, lambda p: rng.gauss(0, 10))
    assert len(driver.evolution._population.records) < 80
    assert len(driver.evolution._population.materials) < 80


@pytest.mark.parametrize("slots", [2, 4, 8])
def test_with_several_workers_nothing_is_planned_twice_live_or_after_a_replay(slots: int) -> None:
    """Verdicts come back in a random order; a replay that learns of them so plans nothing that was planned."""

    def score(planned: Planned) -> float | None:
        value = Random(f"{planned.number}:{planned.split}:{planned.block}").gauss(0, 10)
        return None if value < -14 else value

    for seed in range(4):
        driver, rng = Driver(block_size=12, seed=seed), Random(seed)
        flying: list[Ask] = []
        while len(driver.told) < 120:
            while len(flying) < slots and (ask := driver.try_ask()) is not None:
                if ask.candidate is not None:
                    driver.candidates[ask.candidate.number] = ask.candidate
                flying.append(ask)
            ask = flying.pop(rng.randrange(len(flying)))
            driver.tell(ask, score(ask.planned))
        planned = [p for p, _ in driver.told] + [ask.planned for ask in flying]
        assert len(planned) == len(set(planned))
        again = Driver(block_size=12, seed=seed)
        again.candidates = driver.candidates
        for plan, evaluation in driver.told:
            again.evolution.tell(driver.candidates[plan.number], plan, evaluation)
        for ask in flying:
            again.evolution.restore(driver.candidates[ask.planned.number], ask.planned)
        assert not set(again.evolution._pending) & set(planned)
        assert again.evolution._next_number == len(driver.candidates)


def test_a_best_that_fails_a_later_confirmation_hands_over_to_the_next() -> None:
    driver = Driver()

    bests = []

    def score(planned: Planned) -> float | None:
        best = driver.evolution.best
        bests.append(best)
        if planned.split is Split.VALIDATION and best is not None and best > 1 and planned.number == best:
            return None
        return float(planned.number)

    driver.go(80, score)
    failed = {p.number for p, e in driver.told if e.outcome is not Outcome.OK}
    assert failed
    after = bests[bests.index(min(failed)) :]
    assert next(best for best in after if best != min(failed)) in (0, 1), "the title goes back to who had it before"
    assert driver.evolution.best is not None
    assert driver.evolution.best not in failed
