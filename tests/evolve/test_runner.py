from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewRun, Purpose, RunRecord
from evaluators.model import Evaluation, Outcome, Split
from evaluators.registry import load_problem
from evaluators.serial import SerialPool
from evaluators.tasks import EvaluationPool, Finished, Task, WorkerSpec
from evolve.budget import Budget
from evolve.desk import InlineDesk
from evolve.evolution import Evolution
from evolve.proposers.operators import Operators
from evolve.runner import Flight, RunError, Runner, Workshop
from evolve.selectors import Adaptive
from evolve.steering import Steering

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SECRET = bytes(32)


class Silent:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        self.count += 1

    def say(self, text: str) -> None:
        self.said = text

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        assert phase


class FlakyPool:
    """A real serial pool whose machine fails every third time, as a dying worker would."""

    slots = 1

    def __init__(self, inner: EvaluationPool, every: int) -> None:
        self._inner = inner
        self._every = every
        self._calls = itertools.count(1)

    def submit(self, task: Task) -> None:
        self._inner.submit(task)

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        finished = self._inner.next_finished(timeout_seconds)
        if finished is not None and next(self._calls) % self._every == 0:
            return Finished(key=finished.key, failure="the machine caught fire")
        return finished

    def close(self) -> None:
        self._inner.close()


class PowerCut:
    """A pool in which the lights go out while an evaluation is under way."""

    slots = 1

    def submit(self, task: Task) -> None:
        assert task.source

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        raise KeyboardInterrupt

    def close(self) -> None:
        raise AssertionError("a power cut closes nothing")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True) as opened:
        yield opened


@pytest.fixture
def run(archive: Archive) -> RunRecord:
    return archive.create_run(NewRun(name="r", problem="trivial", digest="trivial-2", config={}, secret=SECRET))


@pytest.fixture
def serial() -> Iterator[SerialPool]:
    pool = SerialPool(WorkerSpec(problem=TRIVIAL, workload="2", secret=SECRET, clock="counting"))
    yield pool
    pool.close()


def runner_of(
    archive: Archive,
    run: RunRecord,
    pool: EvaluationPool,
    evaluations: int,
    clock: Callable[[], float],
    candidates: int | None = None,
) -> Runner:
    evolution = Evolution(
        load_problem(TRIVIAL, "2"),
        Steering({"adaptive": Adaptive()}),
        seed=4,
        known=lambda digest: archive.has_digest(run.id, digest),
        block_size=15,
    )
    return Runner(
        archive,
        run.id,
        evolution,
        Workshop(desk=InlineDesk(Operators()), pool=pool),
        budget=Budget(evaluations=evaluations, candidates=candidates),
        observer=Silent(),
        clock=clock,
    )


def told(archive: Archive, run: RunRecord) -> list[tuple[object, ...]]:
    return [
        (record.planned, record.evaluation and record.evaluation.score, candidate.source)
        for candidate, record in archive.history(run.id)
    ]


def test_the_budget_is_spent_exactly_and_everything_is_recorded(
    archive: Archive, run: RunRecord, serial: SerialPool
) -> None:
    runner = runner_of(archive, run, serial, 40, itertools.count().__next__)
    runner.search(lambda: False)
    now = archive.run(None)
    done = [record for _, record in archive.history(run.id)]
    assert len(done) == runner.spent == 40
    assert archive.unfinished(run.id) == []
    assert now.best is not None
    best = archive.standing(run.id, now.best)
    seeds = [archive.standing(run.id, number).estimates for number in (0, 1)]
    assert all(max(e.mean for e in best.estimates.values()) > e.mean for s in seeds for e in s.values())
    assert now.elapsed_seconds > 0
    assert {record.planned.purpose for record in done} == {Purpose.SEARCH, Purpose.CONFIRM, Purpose.CARRY}


@pytest.mark.parametrize("cuts", [(1,), (9, 10), (3, 17, 31)])
def test_stopped_and_resumed_is_the_same_as_undisturbed(
    tmp_path: Path, serial: SerialPool, cuts: tuple[int, ...]
) -> None:
    def fresh(name: str) -> tuple[Archive, RunRecord]:
        archive = Archive.open(str(tmp_path / name), create=True)
        new = NewRun(name="r", problem="trivial", digest="trivial-2", config={}, secret=SECRET)
        return archive, archive.create_run(new)

    whole, whole_run = fresh("whole.db")
    runner_of(whole, whole_run, serial, 36, itertools.count().__next__).search(lambda: False)
    cut, cut_run = fresh("cut.db")
    for limit in (*cuts, 36):
        runner = runner_of(cut, cut_run, serial, limit, itertools.count().__next__)
        runner.replay()
        runner.search(lambda: False)
    assert told(cut, cut_run) == told(whole, whole_run)
    assert cut.run(None).best == whole.run(None).best
    whole.close()
    cut.close()


def test_what_was_in_flight_is_evaluated_once_on_resume(archive: Archive, run: RunRecord, serial: SerialPool) -> None:
    runner_of(archive, run, serial, 8, itertools.count().__next__).search(lambda: False)
    dying = runner_of(archive, run, PowerCut(), 9, itertools.count().__next__)
    dying.replay()
    with pytest.raises(KeyboardInterrupt):
        dying.search(lambda: False)
    flying = archive.unfinished(run.id)
    assert len(flying) == 1
    runner = runner_of(archive, run, serial, 9, itertools.count().__next__)
    runner.replay()
    runner.search(lambda: False)
    assert archive.unfinished(run.id) == []
    assert [r.id for _, r in archive.history(run.id)][-1] == flying[0].id
    assert runner.spent == 9


def test_our_own_failures_are_tried_again_and_never_charged(
    archive: Archive, run: RunRecord, serial: SerialPool
) -> None:
    runner = runner_of(archive, run, FlakyPool(serial, 3), 20, itertools.count().__next__)
    runner.search(lambda: False)
    whole = [r.evaluation for _, r in archive.history(run.id) if r.evaluation]
    assert len(whole) == runner.spent == 20
    assert not any("caught fire" in evaluation.reason for evaluation in whole)
    assert archive.unfinished(run.id) == []


def test_a_pool_that_keeps_failing_ends_the_run_with_a_reason(
    archive: Archive, run: RunRecord, serial: SerialPool
) -> None:
    runner = runner_of(archive, run, FlakyPool(serial, 1), 20, itertools.count().__next__)
    with pytest.raises(RunError, match=r"keep failing: the machine caught fire\nhint: evolve doctor"):
        runner.search(lambda: False)
    assert len(archive.unfinished(run.id)) == 1


class Treacherous(SerialPool):
    """A serial pool in which every program fails on validation, as seeds do that only fit the train workloads."""

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        finished = super().next_finished(timeout_seconds)
        if finished is None or finished.evaluation is None or finished.evaluation.split is Split.TRAIN:
            return finished
        evaluation = finished.evaluation
        failed = Evaluation(
            problem=evaluation.problem,
            split=evaluation.split,
            block=evaluation.block,
            digest=evaluation.digest,
            outcome=Outcome.CRASHED,
            reason="ValueError: too large",
        )
        return Finished(key=finished.key, evaluation=failed)


def test_seeds_that_all_fail_on_validation_end_the_search_with_a_reason(archive: Archive, run: RunRecord) -> None:
    pool = Treacherous(WorkerSpec(problem=TRIVIAL, workload="2", secret=SECRET, clock="counting"))
    looks = itertools.count()

    def spinning() -> bool:
        assert next(looks) < 200, "it looks again and again whether it may go on"
        return False

    try:
        for _ in range(2):
            runner = runner_of(archive, run, pool, 40, itertools.count().__next__)
            runner.replay()
            with pytest.raises(RunError) as caught:
                runner.search(spinning)
            assert str(caught.value).splitlines() == [
                "no program is left to start from, so the search cannot go on",
                "seed fifth fails on validation workloads (crashed: ValueError: too large)",
                "seed zero fails on validation workloads (crashed: ValueError: too large)",
                "hint: try the seeds alone with evolve score trivial FILE, mend them, and begin a new run",
            ]
        assert archive.unfinished(run.id) == []
    finally:
        pool.close()


def test_a_request_to_stop_is_heard_and_nothing_is_lost(archive: Archive, run: RunRecord, serial: SerialPool) -> None:
    runner = runner_of(archive, run, serial, 1000, itertools.count().__next__)
    runner.search(lambda: runner.spent >= 12)
    assert runner.spent == 12
    assert archive.unfinished(run.id) == []


def test_a_budget_of_candidates_counts_what_was_written_and_nothing_else(
    archive: Archive, run: RunRecord, serial: SerialPool
) -> None:
    runner = runner_of(archive, run, serial, 10_000, itertools.count().__next__, candidates=12)
    runner.search(lambda: False)
    assert archive.run_by_id(run.id).candidates == 12 + 2, "the two seeds do not count"
    assert archive.unfinished(run.id) == []
    assert runner.spent > 14, "confirmations are evaluations, not candidates"
