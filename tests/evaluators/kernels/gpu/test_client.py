"""A worker and its process, which here is a stand-in that answers, refuses, hangs or dies, as its problem is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.gpu.client import Gpu, Request
from evaluators.kernels.plan import Kernel, Launch, LaunchPlan, Recording
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import RefusedError
from evaluators.timing import CEILING_ERRORS, Plan

CALL = Call(name="c", tensors={"x": Form(dtype="int32", shape=(4,))}, outputs=())
LAUNCHES = tuple(Launch(kernel=0, grid=(1, 1, 1), arguments=()) for _ in range(3))
RECORDING = Recording(
    plans=MappingProxyType({"c": LaunchPlan(call=CALL, storages=(), steps=LAUNCHES, outputs=())}),
    kernels=(Kernel(name="k", cubin=0, num_warps=1, num_ctas=1, shared_bytes=0),),
    cubins=(b"\x7fELF",),
    architecture=90,
    triton="3.6",
)
REQUEST = Request(
    workload=KernelWorkload(name="w", timed=Case(call=CALL, law="normal", seed=1)),
    candidate=RECORDING,
    baseline=RECORDING,
    empty=RECORDING,
    seed=b"seed",
    plan=Plan(),
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Gpu]]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    opened: list[Gpu] = []

    def open_gpu(behaviour: str) -> Gpu:
        opened.append(Gpu(behaviour, "generated", service="standin_service"))
        return opened[-1]

    yield open_gpu
    for each in opened:
        each.close()


def test_a_measurement_comes_back_and_the_process_stays(gpu: Callable[[str], Gpu]) -> None:
    judge = gpu("reply")
    assert judge.facts.name == "stand-in"
    first, second = judge.measure(REQUEST, 30), judge.measure(REQUEST, 30)
    assert first.timing.ratio == 2.0
    assert first.registers == second.registers


def test_the_ceiling_is_the_floor_and_some_noise(gpu: Callable[[str], Gpu]) -> None:
    found = gpu("reply").measure(REQUEST, 30)
    assert found.ceiling == pytest.approx(math.log2(2e-5 / 5e-6) + CEILING_ERRORS * 0.01)


def test_a_refusal_keeps_the_process_and_a_lost_context_does_not(gpu: Callable[[str], Gpu]) -> None:
    def process_of(judge: Gpu) -> str:
        with pytest.raises(RefusedError) as refused:
            judge.measure(REQUEST, 30)
        assert refused.value.outcome is Outcome.CRASHED
        assert refused.value.check == "guards"
        return refused.value.reason

    kept, lost = gpu("refuse"), gpu("fatal")
    assert process_of(kept) == process_of(kept)
    assert process_of(lost) != process_of(lost)


def test_a_hang_costs_the_candidate_its_evaluation_and_the_process_its_life(gpu: Callable[[str], Gpu]) -> None:
    judge = gpu("hang")
    assert judge.facts.sms == 1
    with pytest.raises(RefusedError) as refused:
        judge.measure(REQUEST, 0.5)
    assert refused.value.outcome is Outcome.TIMEOUT
    with pytest.raises(RefusedError):
        judge.measure(REQUEST, 0.5)


def test_who_leaves_no_time_for_the_rest_has_taken_too_long(gpu: Callable[[str], Gpu]) -> None:
    with pytest.raises(RefusedError) as refused:
        gpu("slow, then hang of its own").measure(REQUEST, 2.0)
    assert refused.value.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("hang of its own", "work of its own"),
        ("die", "something went wrong here"),
        ("broken", "the task is broken"),
        ("no start", "no GPU at all"),
    ],
)
def test_failures_of_ours_are_not_charged_to_the_candidate(
    gpu: Callable[[str], Gpu], behaviour: str, told: str
) -> None:
    with pytest.raises(EvaluatorError, match=told):
        gpu(behaviour).measure(REQUEST, 1.0)


OTHER = replace(REQUEST, candidate=replace(RECORDING, triton="3.7"))


def test_who_ends_the_process_again_and_again_beside_a_sound_baseline_has_crashed(gpu: Callable[[str], Gpu]) -> None:
    judge = gpu("die of the candidate")
    with pytest.raises(RefusedError, match="twice") as refused:
        judge.measure(OTHER, 30)
    assert refused.value.outcome is Outcome.CRASHED
    assert judge.measure(REQUEST, 30).timing.ratio == 2.0


def test_a_process_that_ends_once_costs_nobody_anything(gpu: Callable[[str], Gpu], tmp_path: Path) -> None:
    judge = gpu(f"die of the candidate but once in {tmp_path / 'dead'}")
    assert judge.measure(OTHER, 30).timing.ratio == 2.0
    assert (tmp_path / "dead").exists()


def test_a_process_that_ends_with_the_baseline_too_is_ours(gpu: Callable[[str], Gpu]) -> None:
    with pytest.raises(EvaluatorError, match="without a word"):
        gpu("die").measure(OTHER, 30)


def test_a_check_alone_passes_or_refuses(gpu: Callable[[str], Gpu]) -> None:
    gpu("reply").check(REQUEST, 30)
    with pytest.raises(RefusedError, match="wrong"):
        gpu("wrong").check(REQUEST, 30)


def test_outputs_that_are_right_without_any_launch_are_a_decoys(gpu: Callable[[str], Gpu]) -> None:
    assert gpu("decoy").is_decoy(REQUEST, 30)
    assert not gpu("reply").is_decoy(REQUEST, 30)


def test_a_rest_that_ends_the_process_is_not_right(gpu: Callable[[str], Gpu]) -> None:
    assert gpu("die of the candidate").needed_launches(OTHER, 30) == (0, 1, 2)


def test_launches_without_which_nothing_changes_are_not_needed(gpu: Callable[[str], Gpu]) -> None:
    assert gpu("reply").needed_launches(REQUEST, 30) == (0, 2)


def test_a_launch_is_needed_if_the_rest_fails_without_it(gpu: Callable[[str], Gpu]) -> None:
    assert gpu("fatal").needed_launches(REQUEST, 30) == (0, 1, 2)


def test_columns_tell_why_they_were_not_timed(gpu: Callable[[str], Gpu]) -> None:
    found = gpu("reply").columns(REQUEST, ("eager", "vllm"), 30)
    assert found["eager"].timing is not None
    assert found["vllm"].reason == "no library"
    lost = gpu("die").columns(REQUEST, ("eager",), 30)["eager"]
    assert lost.timing is None
    assert "ended without a word" in lost.reason


def test_a_closed_gpu_starts_again_when_asked(gpu: Callable[[str], Gpu]) -> None:
    judge = gpu("reply")
    first = judge.measure(REQUEST, 30).registers
    judge.close()
    judge.close()
    assert judge.measure(REQUEST, 30).registers != first
