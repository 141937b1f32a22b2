from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators.block import SMOKE_BLOCK
from evaluators.model import Outcome, Split
from evaluators.serial import SerialPool
from evaluators.tasks import EvaluationPool, Finished, LazyPool, Task, WorkerSpec

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SECRET = bytes(range(32))


def program(body: str) -> str:
    return f"import numpy as np\n\n\ndef answer(size):\n    {body}\n"


def drain(pool: EvaluationPool, count: int) -> dict[int, Finished]:
    found: dict[int, Finished] = {}
    for _ in range(600):
        finished = pool.next_finished(0.5)
        if finished is not None:
            found[finished.key] = finished
        if len(found) == count:
            break
    return found


@pytest.fixture(scope="module", params=["serial", "ray"])
def pool(request: pytest.FixtureRequest) -> Iterator[EvaluationPool]:
    spec = WorkerSpec(problem=TRIVIAL, workload="3", secret=SECRET)
    if request.param == "serial":
        made: EvaluationPool = SerialPool(spec)
    else:
        from evaluators.pool import RayPool

        made = RayPool(spec, workers=2)
    yield made
    made.close()


class TestPoolConformance:
    """Every pool passes these; programs run in real sandboxes."""

    def test_nothing_under_way_is_none(self, pool: EvaluationPool) -> None:
        assert pool.next_finished(0.01) is None

    def test_every_task_comes_back_once_under_its_key(self, pool: EvaluationPool) -> None:
        for key in range(6):
            source = program(f"return np.full(size, {key / 10})")
            pool.submit(Task(key=key, source=source, split=Split.TRAIN, block=0))
        found = drain(pool, 6)
        assert sorted(found) == list(range(6))
        scores = [found[key].evaluation.score for key in range(6)]  # type: ignore[union-attr]
        assert scores == pytest.approx([0, 20, 40, 60, 80, 100])
        assert pool.next_finished(0.01) is None

    def test_a_trial_meets_one_workload_of_its_own(self, pool: EvaluationPool) -> None:
        pool.submit(Task(key=-1, source=program("return np.full(size, 0.5)"), split=Split.TRAIN, block=SMOKE_BLOCK))
        tried = drain(pool, 1)[-1].evaluation
        assert tried is not None
        assert (tried.outcome, tried.score, tried.n, tried.block) == (Outcome.OK, 100.0, 1, SMOKE_BLOCK)

    def test_a_pool_may_start_with_its_first_task(self, pool: EvaluationPool) -> None:
        started: list[EvaluationPool] = []

        def start() -> EvaluationPool:
            started.append(pool)
            return pool

        lazy = LazyPool(start, 7)
        assert lazy.slots == 7
        assert lazy.next_finished(0.01) is None
        assert not started
        for key in (1, 2):
            lazy.submit(Task(key=key, source=program("return np.full(size, 0.2)"), split=Split.TRAIN, block=0))
        assert sorted(drain(lazy, 2)) == [1, 2]
        assert len(started) == 1

    @pytest.mark.parametrize(
        ("body", "outcome", "reason"),
        [
            ("raise KeyError(7)", Outcome.CRASHED, "KeyError"),
            ("import os", Outcome.REJECTED, "os"),
            ("return 'half'", Outcome.WRONG, "array of float64, not str"),
            ("return np.full(size, np.nan)", Outcome.WRONG, "finite"),
            ("return np.zeros(1 << 40)", Outcome.OUT_OF_MEMORY, "emory"),
            ("while True: pass", Outcome.TIMEOUT, "size-0"),
        ],
    )
    def test_a_candidates_failure_is_data(self, pool: EvaluationPool, body: str, outcome: Outcome, reason: str) -> None:
        pool.submit(Task(key=1, source=program(body), split=Split.TRAIN, block=0))
        evaluation = drain(pool, 1)[1].evaluation
        assert evaluation is not None
        assert (evaluation.outcome, evaluation.score) == (outcome, None)
        assert reason in evaluation.reason

    def test_the_next_candidate_is_undisturbed(self, pool: EvaluationPool) -> None:
        pool.submit(Task(key=1, source=program("raise SystemExit(3)"), split=Split.TRAIN, block=0))
        pool.submit(Task(key=2, source=program("return np.full(size, 0.5)"), split=Split.TRAIN, block=0))
        found = drain(pool, 2)
        assert found[2].evaluation is not None
        assert found[2].evaluation.score == 100.0

    def test_who_is_not_better_than_its_rival_is_stopped(self, pool: EvaluationPool) -> None:
        source = program("return np.zeros(size)")
        for key, rival in enumerate([(90.0,) * 3, (0.0,) * 3, (-5.0,) * 3]):
            pool.submit(Task(key=key, source=source, split=Split.TRAIN, block=0, rival=rival))
        found = drain(pool, 3)
        behind, alike, ahead = (found[key].evaluation for key in range(3))
        assert behind is not None
        assert (behind.outcome, behind.n, behind.score) == (Outcome.STOPPED, 2, None)
        assert "-90.0 points to its rival after 2 of 3" in behind.reason
        assert alike is not None
        assert (alike.outcome, alike.reason) == (Outcome.STOPPED, "behaves like its rival after 2 of 3 workloads")
        assert ahead is not None
        assert ahead.outcome is Outcome.OK

    def test_workloads_are_played_in_the_order_asked_for(self, pool: EvaluationPool) -> None:
        source = program("print(size)\n    return np.zeros(size)")
        rival, order = (90.0, 90.0, -90.0), (2, 0, 1)
        pool.submit(Task(key=0, source=source, split=Split.TRAIN, block=0, rival=rival))
        pool.submit(Task(key=1, source=source, split=Split.TRAIN, block=0, rival=rival, order=order))
        pool.submit(Task(key=2, source=source, split=Split.TRAIN, block=0, order=order))
        pool.submit(Task(key=3, source=source, split=Split.TRAIN, block=0, order=(0, 1)))
        found = drain(pool, 4)
        plain, ordered, alone = (found[key].evaluation for key in range(3))
        assert plain is not None
        assert (plain.outcome, plain.spared) == (Outcome.STOPPED, 1)
        assert ordered is not None
        assert (ordered.outcome, ordered.spared) == (Outcome.OK, 0)
        assert alone is not None
        assert ordered.shares == alone.shares
        assert [result.name for result in ordered.workloads] == ["size-0", "size-1", "size-2"]
        assert ordered.log == alone.log
        assert found[3].evaluation is None
        assert "each position from 0 to 2 once, not [0, 1]" in found[3].failure

    def test_blocks_differ_and_are_reproducible(self, pool: EvaluationPool) -> None:
        source = program("return np.full(size, 0.25)")
        for key, block in enumerate((0, 1, 0)):
            pool.submit(Task(key=key, source=source, split=Split.VALIDATION, block=block))
        found = drain(pool, 3)
        first, again = found[0].evaluation, found[2].evaluation
        assert first is not None
        assert again is not None
        assert first.workloads[0].objective == again.workloads[0].objective
        assert first.split is Split.VALIDATION
