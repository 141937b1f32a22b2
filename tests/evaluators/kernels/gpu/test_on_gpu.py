"""The whole GPU judge on a GPU, with a kernel of which all is known and bad ones of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from evaluators.kernels.gpu import trial  # noqa: E402
from evaluators.kernels.gpu.client import Gpu  # noqa: E402
from evaluators.kernels.gpu.protocol import GUARDS, INPUTS, WRITTEN, Request  # noqa: E402
from evaluators.kernels.recording import Recorder, empty_recording  # noqa: E402
from evaluators.model import Outcome  # noqa: E402
from evaluators.problem import RefusedError  # noqa: E402
from evaluators.timing import Plan  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

PLAN = Plan(fewest_rounds=12, most_rounds=24, half_width=0.02)
SMALL, LARGE = trial.workload(1 << 16), trial.workload(1 << 24)


@pytest.fixture(scope="module")
def gpu() -> Iterator[Gpu]:
    opened = Gpu(str(Path(trial.__file__)), "generated")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def recorder(gpu: Gpu) -> Iterator[Recorder]:
    with Recorder(gpu.facts.architecture) as opened:
        yield opened


def _request(recorder: Recorder, source: str, *, large: bool = False, off: frozenset[str] = frozenset()) -> Request:
    workload = LARGE if large else SMALL
    return Request(
        workload=workload,
        candidate=recorder.record(source, trial.ENTRY, workload.calls),
        baseline=recorder.record(trial.GOOD, trial.ENTRY, workload.calls),
        empty=empty_recording(recorder),
        seed=b"test",
        plan=PLAN,
        off=off,
    )


def test_the_device_describes_itself(gpu: Gpu) -> None:
    facts = gpu.facts
    assert facts.architecture >= 80
    assert 1e11 < facts.bandwidth < 2e13
    assert facts.l2_bytes > 1 << 20
    assert facts.bf16_flops > facts.fp32_flops > 1e12


def test_a_program_is_as_fast_as_itself_and_slower_than_the_floor(gpu: Gpu, recorder: Recorder) -> None:
    found = gpu.measure(_request(recorder, trial.GOOD, large=True), 60)
    assert found.timing.gain.mean == pytest.approx(0, abs=0.1)
    assert found.timing.seconds > found.floor_seconds >= found.empty_seconds
    assert found.floor_seconds >= found.roofline_seconds > 0
    assert found.timing.gain.mean <= found.ceiling
    assert found.launches == 1
    assert found.registers > 8
    assert found.samples_checked > 0


def test_doing_it_twice_is_slower_and_one_of_the_two_is_for_nothing(gpu: Gpu, recorder: Recorder) -> None:
    request = _request(recorder, trial.BAD["twice"], large=True)
    assert gpu.measure(request, 60).timing.high < 1
    assert gpu.needed_launches(request, 60) == ()
    assert gpu.needed_launches(_request(recorder, trial.GOOD), 60) == (0,)


@pytest.mark.parametrize(
    ("program", "check"),
    [("unwritten", WRITTEN), ("out of bounds", GUARDS), ("input", INPUTS), ("wrong", "element")],
)
def test_wrong_programs_are_refused_by_the_check_that_is_for_them(
    gpu: Gpu, recorder: Recorder, program: str, check: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        gpu.measure(_request(recorder, trial.BAD[program]), 60)
    assert refused.value.outcome is Outcome.WRONG
    assert refused.value.check == check
    if program != "unwritten":
        gpu.measure(_request(recorder, trial.BAD[program], off=frozenset({check})), 60)


def test_a_fault_and_a_hang_cost_one_evaluation_each(gpu: Gpu, recorder: Recorder) -> None:
    good = _request(recorder, trial.GOOD)
    for program, outcome, seconds in (
        ("illegal address", Outcome.CRASHED, 60.0),
        ("hang", Outcome.TIMEOUT, 5.0),
    ):
        with pytest.raises(RefusedError) as refused:
            gpu.measure(_request(recorder, trial.BAD[program]), seconds)
        assert refused.value.outcome is outcome
        assert gpu.measure(good, 60).timing.seconds > 0


def test_columns_are_timed_or_told_why_not(gpu: Gpu, recorder: Recorder) -> None:
    found = gpu.columns(_request(recorder, trial.GOOD), ("eager", "synchronous"), 60)
    eager = found["eager"]
    assert eager.timing is not None
    assert eager.fault == ""
    assert eager.timing.seconds > eager.timing.channel_seconds
    assert found["synchronous"].timing is None
    assert found["synchronous"].reason
