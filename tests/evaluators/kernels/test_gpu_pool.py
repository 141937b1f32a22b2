"""The two-stage pool for kernels: real Ray, real recorders in sandboxes; only the GPU itself is stood in for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from evaluators.arena import Arena, Terms
from evaluators.judge import Judge
from evaluators.kernels.floor import GpuFacts
from evaluators.kernels.gpu.protocol import Measurement, Request
from evaluators.kernels.gpu.sanitizer import Sanitized, Verdict
from evaluators.model import EvaluatorError, Outcome, Split
from evaluators.problem import RefusedError, seed_named
from evaluators.registry import load_problem
from evaluators.tasks import Finished, Task, WorkerSpec, make_clock
from evaluators.timing import Timing

pytest.importorskip("triton", reason="kernels need the extra 'kernels'")

PROBLEM = "topk_gating"


def timing(ours: float, theirs: float) -> Timing:
    ratio = theirs / ours
    return Timing(
        ratio=ratio,
        low=ratio * 0.99,
        high=ratio * 1.01,
        stderr=0.005,
        n=32,
        seconds=ours,
        baseline_seconds=theirs,
        channel_seconds=3e-6,
        ceiling=9.0,
    )


def seconds(recording: object, request: Request) -> float:
    plan = recording.plans[request.workload.timed.call.name]  # type: ignore[attr-defined]
    warps = [recording.kernels[launch.kernel].num_warps for launch in plan.launches]  # type: ignore[attr-defined]
    return 1e-5 * (1 + sum(warps))


class StandIn:
    """One GPU that is not there."""

    facts = GpuFacts(
        name="stand-in",
        architecture=90,
        sms=132,
        l2_bytes=60 << 20,
        memory_bytes=140 << 30,
        shared_bytes=232_448,
        bandwidth=4.8e12,
        bf16_flops=989e12,
        fp32_flops=60e12,
        driver="none",
        cuda="none",
        torch="none",
        triton="none",
    )

    def measure(self, request: Request, timeout_seconds: float) -> Measurement:
        del timeout_seconds
        if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", None}:
            raise EvaluatorError("the worker that owns the GPU was not given it")
        ours, theirs = seconds(request.candidate, request), seconds(request.baseline, request)
        if ours > 1e-4 * 8:
            raise RefusedError(Outcome.WRONG, "too many warps for the stand-in", check="stand-in")
        return Measurement(
            timing=timing(ours, theirs),
            floor_seconds=4e-6,
            empty_seconds=3e-6,
            roofline_seconds=4e-6,
            bandwidth=1e12,
            flops=0.0,
            registers=32,
            local_bytes=0,
            shared_bytes=0,
            launches=1,
            samples_checked=3,
        )

    def check(self, request: Request, timeout_seconds: float) -> None:
        del timeout_seconds
        if request.seed == bytes(32):
            raise EvaluatorError("an audit has seeds of its own")

    def is_decoy(self, request: Request, timeout_seconds: float) -> bool:
        del request, timeout_seconds
        return False

    def sanitized(self, request: Request, timeout_seconds: float) -> Sanitized:
        del request, timeout_seconds
        return Sanitized(verdict=Verdict.UNTOLD, told="there is no tool here")

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInSpec(WorkerSpec):
    """One GPU that is not there: right is whatever was recorded, and fewer warps are faster."""

    def judge(self, cpu: int | None = None) -> Judge:
        from evaluators.kernels.arena import GpuArena

        def arena(terms: Terms) -> Arena:
            return GpuArena(terms, StandIn())  # type: ignore[arg-type]

        return Judge(load_problem(self.problem), secret=self.secret, clock=make_clock("real"), cpu=cpu, arena=arena)


@pytest.fixture(scope="module")
def found() -> Iterator[dict[int, Finished]]:
    from evaluators.pool import RayPool

    decent = seed_named(load_problem(PROBLEM), "decent").source
    programs = [
        decent,
        decent.replace("def topk_gating(logits, k):", "def topk_gating(logits, k):\n    return logits\n"),
        "x = 1\n",
    ]
    pool = RayPool(StandInSpec(problem=PROBLEM, workload="generated", secret=bytes(32), gpus=1), workers=1)
    try:
        assert pool.slots == 3
        assert len(set(pool.worker_pids())) == 2
        for key, source in enumerate(programs):
            pool.submit(Task(key=key, source=source, split=Split.TRAIN, block=0))
        finalist = decent.replace("ITEMS = 8  #", "ITEMS = 16  #")
        pool.submit(Task(key=len(programs), source=finalist, split=Split.HIDDEN, block=0))
        came: dict[int, Finished] = {}
        for _ in range(240):
            finished = pool.next_finished(1.0)
            if finished is not None:
                came[finished.key] = finished
            if len(came) == len(programs) + 1:
                break
        yield came
    finally:
        pool.close()


def test_the_baseline_is_recorded_by_one_worker_and_measured_by_the_other(found: dict[int, Finished]) -> None:
    evaluation = found[0].evaluation
    assert evaluation is not None, found[0].failure
    assert (evaluation.outcome, evaluation.score) == (Outcome.OK, pytest.approx(0.0))
    assert evaluation.host["gpu"] == "stand-in"
    assert evaluation.metrics["registers"] > 0


def test_what_the_recorder_refuses_comes_back_as_the_candidates_own_fault(found: dict[int, Finished]) -> None:
    evaluation = found[1].evaluation
    assert evaluation is not None, found[1].failure
    assert evaluation.outcome in {Outcome.WRONG, Outcome.CRASHED}
    assert evaluation.score is None


def test_what_the_screen_refuses_is_rejected(found: dict[int, Finished]) -> None:
    evaluation = found[2].evaluation
    assert evaluation is not None, found[2].failure
    assert evaluation.outcome is Outcome.REJECTED


def test_a_finalist_is_audited_where_it_is_measured(found: dict[int, Finished]) -> None:
    evaluation = found[3].evaluation
    assert evaluation is not None, found[3].failure
    assert evaluation.outcome is Outcome.OK, evaluation.reason
    assert evaluation.host["launches not needed"] == "none"
    assert evaluation.host["compute-sanitizer"] == "not done: there is no tool here"
    assert found[0].evaluation is not None
    assert "compute-sanitizer" not in found[0].evaluation.host
