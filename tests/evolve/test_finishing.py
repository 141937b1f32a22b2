from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewRun, RunRecord
from evaluators.model import Evaluation, Outcome
from evaluators.program import normalised_digest
from evaluators.registry import load_problem
from evaluators.serial import SerialPool
from evaluators.tasks import WorkerSpec
from evolve.budget import Budget
from evolve.desk import InlineDesk
from evolve.drafting import SIMPLIFY
from evolve.evolution import Evolution
from evolve.finishing import EVALUATIONS, SimplifyingDesk
from evolve.flights import Flight
from evolve.proposers.operators import Operators
from evolve.runner import Runner, Workshop
from evolve.selectors import Adaptive
from evolve.simplify import Simplifier, keeps_the_score, size
from evolve.steering import Steering

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SECRET = bytes(range(32))


class Silent:
    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None: ...
    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None: ...
    def say(self, text: str) -> None: ...


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True) as opened:
        yield opened


@pytest.fixture
def run(archive: Archive) -> RunRecord:
    return archive.create_run(NewRun(name="r", problem="trivial", digest="trivial-2", config={}, secret=SECRET))


@pytest.fixture
def runner(archive: Archive, run: RunRecord) -> Iterator[Runner]:
    pool = SerialPool(WorkerSpec(problem=TRIVIAL, workload="2", secret=SECRET, clock="counting"))
    evolution = Evolution(
        load_problem(TRIVIAL, "2"),
        Steering({"adaptive": Adaptive()}),
        seed=4,
        known=lambda digest: archive.has_digest(run.id, digest),
    )
    made = Runner(
        archive,
        run.id,
        evolution,
        Workshop(desk=InlineDesk(Operators()), pool=pool),
        budget=Budget(evaluations=25),
        observer=Silent(),
        clock=itertools.count().__next__,
    )
    made.search(lambda: False)
    yield made
    pool.close()


def desk_for(
    archive: Archive, run: RunRecord, number: int, clock: Callable[[], float] = lambda: 0.0
) -> SimplifyingDesk:
    return SimplifyingDesk(
        archive,
        run.id,
        number,
        Simplifier(archive.candidate(run.id, number).source, "answer", lambda _: None),
        known=lambda source: archive.has_digest(run.id, normalised_digest(source, entry="answer")),
        clock=clock,
        seconds=100.0,
    )


def best_of(archive: Archive, run: RunRecord) -> int:
    best = archive.run_by_id(run.id).best
    assert best is not None
    return best


def verdict(archive: Archive, run: RunRecord, number: int) -> Evaluation:
    evaluation = archive.evaluations(run.id, number)[0].evaluation
    assert evaluation is not None
    return evaluation


def test_the_winner_shrinks_and_keeps_its_score(archive: Archive, run: RunRecord, runner: Runner) -> None:
    best = best_of(archive, run)
    desk = desk_for(archive, run, best)
    before = archive.run_by_id(run.id).candidates
    runner.polish(desk, lambda: False)
    result = desk.result
    assert result is not None, "the trivial seeds have constants that hardly matter"
    assert result.original == best
    small, whole = (archive.candidate(run.id, number) for number in (result.number, best))
    assert small.proposer == SIMPLIFY
    assert small.parents == (best,)
    assert size(small.source) < size(whole.source)
    assert keeps_the_score(verdict(archive, run, result.number), verdict(archive, run, best))
    tried = archive.run_by_id(run.id).candidates - before
    assert 0 < tried <= EVALUATIONS
    outcomes = [verdict(archive, run, number).outcome for number in range(before, before + tried)]
    assert Outcome.STOPPED not in outcomes, "who behaves like the winner must not be raced out for it"
    assert archive.unfinished(run.id) == []


def test_a_second_sitting_goes_by_the_verdicts_of_the_first(archive: Archive, run: RunRecord, runner: Runner) -> None:
    best = best_of(archive, run)
    first = desk_for(archive, run, best)
    runner.polish(first, lambda: False)
    candidates = archive.run_by_id(run.id).candidates
    again = desk_for(archive, run, best)
    runner.polish(again, lambda: False)
    assert again.result is not None
    assert again.result == first.result
    assert archive.run_by_id(run.id).candidates == candidates, "nothing is paid for twice"


def test_no_time_means_no_try(archive: Archive, run: RunRecord, runner: Runner) -> None:
    ticks = itertools.count(0, 1000)
    desk = desk_for(archive, run, best_of(archive, run), clock=lambda: float(next(ticks)))
    assert not desk.wants
    before = archive.run_by_id(run.id).candidates
    runner.polish(desk, lambda: False)
    assert desk.result is None
    assert archive.run_by_id(run.id).candidates == before
