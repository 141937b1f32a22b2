"""The whole GPU judge on a GPU, with a kernel of which all is known and bad ones of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from evaluators.kernels.gpu import trial  # noqa: E402
from evaluators.kernels.gpu.client import Gpu  # noqa: E402
from evaluators.kernels.gpu.clocked import Flush, Sampler  # noqa: E402
from evaluators.kernels.gpu.device import open_bench  # noqa: E402
from evaluators.kernels.gpu.memory import Arguments  # noqa: E402
from evaluators.kernels.gpu.protocol import GUARDS, INPUTS, WRITTEN, Request  # noqa: E402
from evaluators.kernels.gpu.replay import Kernels, Program  # noqa: E402
from evaluators.kernels.gpu.sanitizer import Verdict, find_tool  # noqa: E402
from evaluators.kernels.recording import Recorder, empty_recording  # noqa: E402
from evaluators.model import Outcome  # noqa: E402
from evaluators.problem import RefusedError  # noqa: E402
from evaluators.timing import Plan  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

TWO_MEGA = 1 << 21
"""Numbers whose 8 MB and the 8 MB of their results fit well into the L2 cache."""

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


class _Pause:
    """Keeps the device busy as a flush does, and leaves its cache as it is."""

    def read(self) -> None:
        torch.cuda._sleep(300_000)


def test_a_flush_makes_the_next_call_slower(recorder: Recorder) -> None:
    """Else the test below would hold whatever a flush does."""
    bench, stream = open_bench(trial.Scale(), 0, lambda _: None)
    handle, driver = bench.device.stream, bench.device.driver
    with torch.cuda.stream(stream):
        call = trial.call(TWO_MEGA)
        recording = recorder.record(trial.GOOD, trial.ENTRY, [call])
        kernels = Kernels(driver, recording, bench.device.shared_bytes)
        arguments = Arguments(call, "cuda")
        graph = Program(driver, kernels, recording.plans[call.name], "cuda").capture(arguments.addresses, handle)

        def seconds(flush: Flush | _Pause) -> float:
            sampler = Sampler(flush)  # type: ignore[arg-type]
            return median(sampler.seconds(lambda: graph.replay(handle)) for _ in range(40))

        cold, warm = seconds(bench.flush), seconds(_Pause())
        graph.close()
        kernels.close()
    assert cold > 1.15 * warm


@pytest.mark.parametrize("policy", ["evict_last", "evict_first"])
def test_what_loads_ask_the_cache_to_keep_does_not_outlive_the_flush(gpu: Gpu, recorder: Recorder, policy: str) -> None:
    """A program that asks is not surely quicker than the same that does not."""
    load = "tl.load(x + at, mask=at < n)"
    source = trial.GOOD.replace(load, load.replace("n)", f'n, eviction_policy="{policy}")'))
    assert source != trial.GOOD
    workload = trial.workload(TWO_MEGA)
    request = replace(
        _request(recorder, trial.GOOD),
        workload=workload,
        candidate=recorder.record(source, trial.ENTRY, workload.calls),
        baseline=recorder.record(trial.GOOD, trial.ENTRY, workload.calls),
    )
    assert gpu.measure(request, 60).timing.low < 1.03


BEYOND = trial.GOOD.replace("\n\n\ndef scale", "\n    tl.load(x + n + tl.arange(0, 32), volatile=True)\n\n\ndef scale")
"""Reads 128 bytes past the end of its argument and throws them away: right, and seen by no guard zone."""


def test_a_read_beyond_a_buffer_changes_nothing_and_the_sanitizer_sees_it(gpu: Gpu, recorder: Recorder) -> None:
    if find_tool() is None:
        pytest.skip("compute-sanitizer is not installed")
    good = gpu.sanitized(_request(recorder, trial.GOOD), 120)
    if good.verdict is Verdict.UNTOLD:
        pytest.skip(good.told)
    assert (good.verdict, good.told) == (Verdict.CLEAN, "")
    request = _request(recorder, BEYOND)
    gpu.check(request, 60)
    found = gpu.sanitized(request, 120)
    assert found.verdict is Verdict.FAULTY
    assert found.told.startswith("Invalid __global__ read of size")
    assert "scaled" in found.told


def test_outputs_do_not_come_without_launches(gpu: Gpu, recorder: Recorder) -> None:
    assert not gpu.is_decoy(_request(recorder, trial.GOOD), 60)
