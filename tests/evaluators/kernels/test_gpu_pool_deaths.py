"""Recorders, judges and GPU processes of the two-stage pool are killed at work: every task still comes back."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evaluators.arena import Arena, Terms
from evaluators.judge import Judge
from evaluators.model import Outcome, Split
from evaluators.problem import seed_named
from evaluators.registry import load_problem
from evaluators.tasks import EvaluationPool, Finished, Task, WorkerSpec, make_clock

pytest.importorskip("triton", reason="kernels need the extra 'kernels'")

PROBLEM = "topk_gating"
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInSpec(WorkerSpec):
    """A GPU's process is a stand-in of its own, which waits with every candidate until it may go on."""

    folder: str = ""

    def judge(self, cpu: int | None = None) -> Judge:
        from evaluators.kernels.arena import GpuArena
        from evaluators.kernels.gpu.client import Gpu

        def arena(terms: Terms) -> Arena:
            sys.path.insert(0, str(Path(__file__).parent / "gpu"))
            return GpuArena(terms, Gpu(f"wait in {self.folder}", "generated", service="standin_service"))

        return Judge(load_problem(self.problem), secret=self.secret, clock=make_clock("real"), cpu=cpu, arena=arena)


class Watched:
    """A pool with what its tests ask of it."""

    def __init__(self, pool: EvaluationPool, folder: Path, pids: list[int]) -> None:
        self.pool = pool
        self.folder = folder
        self.judge, self.recorder = pids
        source = seed_named(load_problem(PROBLEM), "decent").source
        self.candidate = source.replace("ITEMS = 8  #", "ITEMS = 16  #")

    def submit(self, key: int, source: str = "") -> None:
        self.pool.submit(Task(key=key, source=source or self.candidate, split=Split.TRAIN, block=0))

    def waiting(self) -> int:
        """The GPU process that waits with a candidate, once one does."""
        file = self.folder / "waits"
        ends = time.monotonic() + PATIENCE_SECONDS
        while not file.exists():
            assert self.pool.next_finished(0.05) is None
            assert time.monotonic() < ends
        found = int(file.read_text(encoding="utf-8"))
        file.unlink()
        return found

    def back(self, count: int) -> dict[int, Finished]:
        found: dict[int, Finished] = {}
        ends = time.monotonic() + PATIENCE_SECONDS
        while len(found) < count and time.monotonic() < ends:
            finished = self.pool.next_finished(0.5)
            if finished is not None:
                assert finished.key not in found
                found[finished.key] = finished
        return found

    def until_judged(self, found: dict[int, Finished]) -> dict[int, Finished]:
        """Give what came back with a failure of ours again, a few times."""
        for _ in range(5):
            lost = [key for key, finished in found.items() if finished.evaluation is None]
            for key in lost:
                self.submit(key)
            found |= self.back(len(lost))
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    from evaluators.pool import RayPool

    folder = tmp_path_factory.mktemp("gpu")
    spec = StandInSpec(problem=PROBLEM, workload="generated", secret=bytes(32), gpus=1, folder=str(folder))
    pool = RayPool(spec, workers=1)
    yield Watched(pool, folder, pool.worker_pids())
    pool.close()


def test_a_gpu_process_that_is_killed_costs_the_candidate_nothing(watched: Watched) -> None:
    watched.submit(0)
    os.kill(watched.waiting(), signal.SIGKILL)
    watched.waiting()  # the same candidate in a new process, after the baseline
    (watched.folder / "go").touch()
    finished = watched.back(1)[0]
    assert finished.evaluation is not None, finished.failure
    assert finished.evaluation.outcome is Outcome.OK


def test_a_judge_that_is_killed_loses_no_task(watched: Watched) -> None:
    (watched.folder / "go").unlink(missing_ok=True)
    for key in range(3):
        watched.submit(key)
    watched.waiting()
    os.kill(watched.judge, signal.SIGKILL)
    (watched.folder / "go").touch()
    found = watched.until_judged(watched.back(3))
    assert sorted(found) == [0, 1, 2]
    assert [finished.evaluation is not None for finished in found.values()] == [True] * 3, found


def test_a_recorder_that_is_killed_loses_no_task(watched: Watched) -> None:
    (watched.folder / "go").touch()
    endless = watched.candidate.replace(
        "    tokens, experts = logits.shape\n",
        "    for _ in range(10**9):\n        pass\n    tokens, experts = logits.shape\n",
    )
    assert endless != watched.candidate
    watched.submit(0, endless)
    watched.submit(1)
    assert watched.pool.next_finished(1.0) is None
    os.kill(watched.recorder, signal.SIGKILL)
    found = watched.back(2)
    assert sorted(found) == [0, 1]
    assert found[0].evaluation is None
    assert found[0].failure
    found = watched.until_judged(found)
    assert [found[key].evaluation is not None for key in (0, 1)] == [True, True], found
