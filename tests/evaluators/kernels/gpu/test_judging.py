"""The whole course of a request: a driver that acts kernels out in host memory, and a clock that they set forward."""

from __future__ import annotations

import ctypes
import itertools
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evaluators.kernels.floor import GpuFacts  # noqa: E402
from evaluators.kernels.gpu import judging, match, once, trial  # noqa: E402
from evaluators.kernels.gpu.blame import CandidateError  # noqa: E402
from evaluators.kernels.gpu.correct import Device  # noqa: E402
from evaluators.kernels.gpu.cuda import CudaError  # noqa: E402
from evaluators.kernels.gpu.match import Bench  # noqa: E402
from evaluators.kernels.gpu.memory import Apart  # noqa: E402
from evaluators.kernels.gpu.protocol import (  # noqa: E402
    ALL_LAUNCHES,
    CLOCK,
    INPUTS,
    WRITTEN,
    Broken,
    Done,
    Job,
    Order,
    Refused,
    Request,
    Turn,
)
from evaluators.kernels.gpu.service import answer  # noqa: E402
from evaluators.kernels.plan import Kernel, Launch, LaunchPlan, Output, Pointer, Recording, Scalar, Storage  # noqa: E402
from evaluators.kernels.task import Case, Tensors, Traffic  # noqa: E402
from evaluators.model import EvaluatorError, Outcome  # noqa: E402
from evaluators.problem import RefusedError  # noqa: E402
from evaluators.timing import Plan  # noqa: E402

FACTS = GpuFacts(
    name="acted", architecture=90, sms=1, l2_bytes=1 << 12, memory_bytes=1 << 30, shared_bytes=1 << 17, bandwidth=1e12,
    bf16_flops=1e15, fp32_flops=1e14, driver="0", cuda="0", torch="0", triton="",
)  # fmt: skip
ITEMS = 512
Act = Callable[[Any, Any], None]


class _Watch:
    """The only clock here, in seconds; every reading takes a nanosecond."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1e-9
        return self.now


WATCH = _Watch()


def _good(x: Any, y: Any) -> None:
    WATCH.now += 100e-6
    y[:] = x * 2 + 1


def _slow(x: Any, y: Any) -> None:
    WATCH.now += 200e-6
    _good(x, y)


def _partial(x: Any, y: Any) -> None:
    y[:-1] = x[:-1] * 2 + 1


def _greedy(x: Any, y: Any) -> None:
    _good(x, y)
    x[0] = 0


def _faulty(x: Any, y: Any) -> None:
    raise CudaError("CUDA_ERROR_ILLEGAL_ADDRESS", "cuGraphLaunch")


def _nothing(x: Any, y: Any) -> None:
    pass


ACTS: dict[str, Act] = {act.__name__[1:]: act for act in (_good, _slow, _partial, _greedy, _faulty, _nothing)}


class _LastCallWrong:
    """Right until it has been called so often: only timed calls show it."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, x: Any, y: Any) -> None:
        y[:] = x * 2 + 1
        self.left -= 1
        if self.left < 0:
            y[3] += 1


class ActingDriver:
    """Graphs are lists of acts on host memory; a cubin is the name of its act."""

    def __init__(self) -> None:
        self.acts: dict[str, Act] = dict(ACTS)
        self._modules: dict[int, str] = {}
        self._graphs: dict[int, list[Callable[[], None]]] = {}
        self._capture: list[Callable[[], None]] | None = None
        self._next = 0

    def _handle(self) -> int:
        self._next += 1
        return self._next

    def load(self, cubin: bytes) -> int:
        handle = self._handle()
        self._modules[handle] = cubin.decode()
        return handle

    def unload(self, module: int) -> None:
        del self._modules[module]

    def function(self, module: int, name: str) -> int:
        return module

    def function_attribute(self, attribute: int, function: int) -> int:
        return {1: 0, 3: 8, 4: 32}[attribute]

    def synchronize(self) -> None:
        return

    def tensor_map(self, tensor: object, address: int) -> bytes:
        raise NotImplementedError

    def begin_capture(self, stream: int) -> None:
        self._capture = []

    def launch(self, function: int, grid: Any, threads: int, shared: int, parameters: Any, **_: int) -> None:
        assert self._capture is not None
        values = [int.from_bytes(ctypes.string_at(place, 8), "little") for place in parameters]
        act = self.acts[self._modules[function]]

        def run() -> None:
            if len(values) < 5:
                return
            x, y = (
                np.ctypeslib.as_array(ctypes.cast(values[at], ctypes.POINTER(ctypes.c_float)), shape=(values[2],))
                for at in (0, 1)
            )
            act(x, y)

        self._capture.append(run)

    def end_capture(self, stream: int) -> int:
        handle = self._handle()
        assert self._capture is not None
        self._graphs[handle] = self._capture
        self._capture = None
        return handle

    def instantiate(self, graph: int, stream: int) -> int:
        handle = self._handle()
        self._graphs[handle] = self._graphs[graph]
        return handle

    def launch_graph(self, executable: int, stream: int) -> None:
        WATCH.now += 3e-6
        for run in self._graphs[executable]:
            run()

    def destroy_graph(self, graph: int) -> None:
        del self._graphs[graph]

    destroy_executable = destroy_graph

    @property
    def holds_nothing(self) -> bool:
        return not self._modules and not self._graphs


class _Event:
    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        self.at = 0.0

    def record(self) -> None:
        self.at = WATCH.perf_counter()

    def synchronize(self) -> None:
        return

    def elapsed_time(self, other: _Event) -> float:
        return 1e3 * (other.at - self.at)


class _NoFlush:
    def read(self) -> None:
        return


class _NoClocks:
    def mhz(self) -> tuple[int, int]:
        return 1980, 3201


@pytest.fixture
def turns() -> list[Turn]:
    return []


@pytest.fixture
def driver() -> ActingDriver:
    return ActingDriver()


@pytest.fixture
def bench(driver: ActingDriver, turns: list[Turn], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr("evaluators.kernels.gpu.clocked.time", WATCH)
    device: Any = Device(driver=driver, stream=1, shared_bytes=1 << 17, name="cpu")  # type: ignore[arg-type]
    parts: Any = {"clocks": _NoClocks(), "flush": _NoFlush()}
    return Bench(device=device, facts=FACTS, task=trial.Scale(), tell=turns.append, **parts)


def _recording(*acts: str) -> Recording:
    plans = {}
    for items in (ITEMS, 1025, 0):
        call = trial.call(items)
        arguments = (Pointer(buffer=0, offset=0), Pointer(buffer=1, offset=0), Scalar(type="i32", value=items))
        plans[call.name] = LaunchPlan(
            call=call,
            storages=(Storage(bytes=4 * items, argument="x"), Storage(bytes=4 * items)),
            steps=tuple(
                Launch(kernel=kernel, grid=(min(items, 1), 1, 1), arguments=arguments) for kernel in range(len(acts))
            ),
            outputs=(Output(place=Pointer(buffer=1, offset=0), form=call.outputs[0]),),
        )
    kernels = tuple(
        Kernel(name=act, cubin=number, num_warps=1, num_ctas=1, shared_bytes=64) for number, act in enumerate(acts)
    )
    return Recording(
        plans=plans, kernels=kernels, cubins=tuple(act.encode() for act in acts), architecture=90, triton="3.6"
    )


def _request(*acts: str, baseline: str = "good", off: frozenset[str] = frozenset()) -> Request:
    empty_call = replace(trial.call(0), name="empty", tensors={})
    empty_plan = LaunchPlan(
        call=empty_call, storages=(), steps=(Launch(kernel=0, grid=(1, 1, 1), arguments=()),), outputs=()
    )
    empty = replace(_recording("nothing"), plans={"empty": empty_plan})
    return Request(
        workload=trial.workload(ITEMS),
        candidate=_recording(*acts),
        baseline=_recording(baseline),
        empty=empty,
        seed=b"seed",
        plan=Plan(fewest_rounds=3, most_rounds=6),
        off=off,
    )


def test_a_right_program_is_timed_against_the_baseline(bench: Bench, driver: ActingDriver, turns: list[Turn]) -> None:
    found = judging.measure(bench, _request("slow"))
    assert found.timing.seconds == pytest.approx(303e-6, rel=1e-3)
    assert found.timing.baseline_seconds == pytest.approx(103e-6, rel=1e-3)
    assert found.empty_seconds == pytest.approx(3e-6, rel=1e-2)
    assert found.timing.low == pytest.approx(103 / 303, rel=1e-3)
    assert found.bandwidth == pytest.approx(8 * ITEMS / 303e-6, rel=1e-3)
    assert found.floor_seconds == max(found.roofline_seconds, found.empty_seconds)
    assert found.roofline_seconds == 4 * ITEMS / 1e12
    assert (found.registers, found.local_bytes, found.shared_bytes, found.launches) == (32, 8, 64, 1)
    assert (found.sm_clock_mhz, found.memory_clock_mhz) == (1980, 3201)
    assert turns[0].candidate
    assert turns[-1].candidate
    assert Turn(candidate=False) in turns
    assert driver.holds_nothing


def test_the_floor_is_that_of_the_median_draw_where_draws_differ_in_work(bench: Bench) -> None:
    work = itertools.cycle((1 << 20, 1 << 21, 1 << 22))

    class Varying(trial.Scale):
        def traffic(self, case: Case, contents: Tensors) -> Traffic:
            return Traffic(read_bytes=next(work), written_bytes=0)

    found = judging.measure(replace(bench, task=Varying()), _request("good"))
    assert found.roofline_seconds == (1 << 21) / 1e12
    assert found.bandwidth == pytest.approx((1 << 21) / 103e-6, rel=1e-3)


@pytest.mark.parametrize(("act", "check"), [("partial", WRITTEN), ("greedy", INPUTS)])
def test_a_wrong_program_is_refused_and_leaves_nothing_behind(
    bench: Bench, driver: ActingDriver, act: str, check: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        judging.measure(bench, _request(act))
    assert refused.value.outcome is Outcome.WRONG
    assert refused.value.check == check
    assert driver.holds_nothing


def test_a_program_that_goes_wrong_while_it_is_timed_is_refused(bench: Bench, driver: ActingDriver) -> None:
    # Before the timing come two draws of two replays for each of the cases that are not empty.
    driver.acts["sleeper"] = _LastCallWrong(8)
    request = replace(_request("sleeper"), plan=Plan(fewest_rounds=24, most_rounds=24))
    with pytest.raises(RefusedError, match="a timed call") as refused:
        judging.measure(bench, request)
    assert refused.value.check == "element"
    driver.acts["sleeper"] = _LastCallWrong(8)
    found = judging.measure(bench, replace(request, off=frozenset({"element"})))
    assert found.samples_checked > 0


def test_the_baselines_outputs_are_gone_before_the_candidate_runs(bench: Bench, driver: ActingDriver) -> None:
    seen: list[Any] = []
    stolen = 0

    def victim(x: Any, y: Any) -> None:
        _good(x, y)
        seen.append(y)

    def thief(x: Any, y: Any) -> None:
        nonlocal stolen
        if seen and seen[-1].shape == x.shape and seen[-1][0] == x[0] * 2 + 1:  # one item tells whether all are right
            stolen += 1
            y[:] = seen[-1]
            return
        _good(x, y)

    driver.acts |= {"victim": victim, "thief": thief}
    found = judging.measure(bench, _request("thief", baseline="victim"))
    assert len(seen) > found.timing.n
    assert stolen == 0


def test_a_device_error_is_the_candidates_or_the_baselines(bench: Bench) -> None:
    with pytest.raises(CandidateError, match="CUDA_ERROR_ILLEGAL_ADDRESS") as failed:
        judging.measure(bench, _request("faulty"))
    assert failed.value.outcome is Outcome.CRASHED
    assert failed.value.fatal
    with pytest.raises(CudaError):
        judging.measure(bench, _request("good", baseline="faulty"))


@pytest.mark.parametrize("others", [False, True])
def test_work_that_the_events_do_not_cover_is_quarantined_unless_others_use_the_gpu(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    turns = itertools.count()

    def warm(replay: object, seconds: float) -> float:
        is_candidate = next(turns) % 2 == 0  # the baseline is looked at only after a candidate that is off
        return 10.0 if is_candidate or others else seconds

    monkeypatch.setattr(match, "warm_seconds", warm)
    if others:
        judging.measure(bench, _request("good"))
        return
    with pytest.raises(RefusedError, match="wall clock") as refused:
        judging.measure(bench, _request("good"))
    assert refused.value.outcome is Outcome.QUARANTINED
    judging.measure(bench, _request("good", off=frozenset({CLOCK})))


def test_a_wrong_baseline_is_ours(bench: Bench) -> None:
    with pytest.raises(EvaluatorError, match="the baseline is wrong"):
        judging.measure(bench, _request("good", baseline="partial"))


def test_a_call_that_was_not_recorded_is_ours(bench: Bench) -> None:
    request = _request("good")
    with pytest.raises(EvaluatorError, match="no recording"):
        judging.measure(bench, replace(request, candidate=replace(request.candidate, plans={})))


def test_launches_are_needed_or_not(bench: Bench) -> None:
    request = _request("nothing", "good")
    assert judging.right_without(bench, request, 0)
    assert not judging.right_without(bench, request, 1)
    assert not judging.right_without(bench, request, ALL_LAUNCHES)
    assert judging.right_without(bench, _request("good", "good"), 0), "the other does the same again"


def test_a_check_alone_refuses_what_is_wrong(bench: Bench, driver: ActingDriver, turns: list[Turn]) -> None:
    judging.check(bench, _request("slow"))
    assert all(turn.candidate for turn in turns)
    with pytest.raises(RefusedError) as refused:
        judging.check(bench, _request("partial"))
    assert refused.value.check == WRITTEN
    assert driver.holds_nothing


def test_a_run_replays_every_case_once_and_judges_nothing(bench: Bench, driver: ActingDriver) -> None:
    seen: list[int] = []

    def watched(x: Any, y: Any) -> None:
        assert np.isfinite(x).all()
        seen.append(len(x))
        x[0] = y[0] = 7

    driver.acts["watched"] = watched
    judging.run(replace(bench, room=Apart), _request("watched"))
    assert sorted(seen) == [ITEMS, 1025]
    assert driver.holds_nothing
    with pytest.raises(CandidateError):
        judging.run(bench, _request("faulty"))


def test_a_candidate_is_right_on_buffers_apart_too(bench: Bench) -> None:
    judging.check(replace(bench, room=Apart), _request("good"))
    with pytest.raises(RefusedError):
        judging.check(replace(bench, room=Apart), _request("partial"))


def test_the_service_turns_whatever_happens_into_a_reply(bench: Bench) -> None:
    def replied(*acts: str, baseline: str = "good") -> Any:
        return answer(bench, Order(job=Job.MEASURE, request=_request(*acts, baseline=baseline)))

    assert isinstance(replied("good"), Done)
    wrong = replied("partial")
    assert isinstance(wrong, Refused)
    assert not wrong.fatal
    lost = replied("faulty")
    assert isinstance(lost, Refused)
    assert lost.fatal
    broken = replied("good", baseline="partial")
    assert isinstance(broken, Broken)
    assert "baseline is wrong" in broken.reason
    needed = answer(bench, Order(job=Job.NEEDED, request=_request("nothing", "good"), options={"launch": 0}))
    assert needed == Done(value=True)


def test_columns_that_cannot_be_captured_say_so(bench: Bench) -> None:
    # There is no GPU here, so that no capture is possible.
    found = answer(bench, Order(job=Job.COLUMN, request=_request("good"), options={"name": "eager"}))
    assert isinstance(found, Done)
    assert found.value.timing is None
    assert found.value.reason


def test_a_process_for_one_order_answers_it_on_buffers_apart(
    bench: Bench, driver: ActingDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[int] = []

    def watched(x: Any, y: Any) -> None:
        seen.append(len(x))

    def obeyed(act: str) -> Any:
        asked, answered = tmp_path / "order", tmp_path / "reply"
        asked.write_bytes(pickle.dumps(Order(job=Job.RUN, request=_request(act))))
        once.main(["1", "0", str(Path(trial.__file__)), "generated", str(asked), str(answered)])
        return pickle.loads(answered.read_bytes())

    driver.acts["watched"] = watched
    monkeypatch.setattr("evaluators.kernels.gpu.device.open_bench", lambda *_: (bench, None))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(once, "die_with", lambda _: None)
    assert obeyed("watched") == Done(value=None)
    assert len(seen) == 2
    assert driver.holds_nothing
    ended: list[int] = []
    monkeypatch.setattr("evaluators.kernels.gpu.once.os._exit", ended.append)
    assert isinstance(obeyed("faulty"), Refused)
    assert ended == [0]
