"""What a kernel that may become the best is put through, on a GPU that is stood in for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from evaluators.kernels import auditing
from evaluators.kernels.auditing import NEEDED, SANITIZER, Inspection, watched
from evaluators.kernels.forms import Call, Form
from evaluators.kernels.gpu.client import Request
from evaluators.kernels.gpu.sanitizer import Sanitized, Verdict
from evaluators.kernels.plan import Launch, LaunchPlan, Recording
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.model import Outcome
from evaluators.problem import RefusedError
from evaluators.timing import Plan

CLEAN = Sanitized(verdict=Verdict.CLEAN)


@dataclass(slots=True)
class Sound:
    """A GPU on which everything is right, and only some launches are needed."""

    needed: tuple[int, ...] = (0, 1)
    says: Sanitized = CLEAN
    decoy: bool = False
    wrong: str = ""
    done: list[str] = field(default_factory=list)
    seeds: list[bytes] = field(default_factory=list)
    sanitized_workload: KernelWorkload | None = None

    def close(self) -> None:
        self.done.append("new process")

    def check(self, request: Request, timeout_seconds: float) -> None:
        del timeout_seconds
        self.done.append("check")
        self.seeds.append(request.seed)
        if request.workload.name == self.wrong:
            raise RefusedError(Outcome.WRONG, "wrong now", check="element")

    def is_decoy(self, request: Request, timeout_seconds: float) -> bool:
        del request, timeout_seconds
        self.done.append("decoy")
        return self.decoy

    def needed_launches(self, request: Request, timeout_seconds: float) -> tuple[int, ...]:
        del request, timeout_seconds
        self.done.append("needed")
        return self.needed

    def sanitized(self, request: Request, timeout_seconds: float) -> Sanitized:
        del timeout_seconds
        self.done.append("sanitizer")
        self.sanitized_workload = request.workload
        return self.says


def call(rows: int) -> Call:
    return Call(name=f"T={rows}", tensors={"x": Form(dtype="float32", shape=(rows, 1024))}, outputs=())


def request(rows: int, launches: int = 2) -> Request:
    timed, odd = (Case(call=call(count), law="normal", seed=1) for count in (rows, 3))
    plan = LaunchPlan(
        call=timed.call,
        storages=(),
        steps=tuple(Launch(kernel=0, grid=(1, 1, 1), arguments=()) for _ in range(launches)),
        outputs=(),
    )
    recording = Recording(plans={timed.call.name: plan}, kernels=(), cubins=(), architecture=90, triton="3.6")
    workload = KernelWorkload(name=timed.call.name, timed=timed, checked=(odd,))
    return Request(
        workload=workload, candidate=recording, baseline=recording, empty=recording, seed=b"%d" % rows, plan=Plan()
    )


def told(gpu: Sound, *requests: Request) -> dict[str, str]:
    return dict(Inspection(gpu, requests, 60.0).told(thorough=True))  # type: ignore[arg-type]


def test_a_sound_kernel_meets_a_new_process_and_has_nothing_to_tell() -> None:
    gpu = Sound()
    assert told(gpu, request(8), request(16)) == {NEEDED: "none", SANITIZER: "memcheck: no error"}
    assert gpu.done == ["new process", "check", "check", "decoy", "needed", "decoy", "needed", "sanitizer"]


def test_a_contender_that_is_no_finalist_only_has_launches_left_out() -> None:
    gpu = Sound()
    found = Inspection(gpu, [request(8)], 60.0).told(thorough=False)  # type: ignore[arg-type]
    assert found == {NEEDED: "none"}
    assert gpu.done == ["decoy", "needed"]


def test_a_launch_that_can_be_left_out_is_told_and_costs_nothing_more() -> None:
    found = told(Sound(needed=(1,)), request(8), request(16, launches=1))
    assert found[NEEDED] == "T=8: 1 of 2"
    assert told(Sound(needed=()), request(8))[NEEDED] == "T=8: 1, 2 of 2"


def test_a_single_launch_is_not_tried_twice() -> None:
    gpu = Sound()
    told(gpu, request(8, launches=1))
    assert gpu.done.count("needed") == 0


def test_outputs_that_need_no_launch_are_refused() -> None:
    with pytest.raises(RefusedError, match="without any launch") as refused:
        told(Sound(decoy=True), request(8))
    assert refused.value.outcome is Outcome.CHEATED


def test_who_is_wrong_on_fresh_contents_is_refused() -> None:
    with pytest.raises(RefusedError, match="wrong now"):
        told(Sound(wrong="T=16"), request(8), request(16))


def test_what_the_sanitizer_finds_refuses() -> None:
    says = Sanitized(verdict=Verdict.FAULTY, told="Invalid __global__ read of size 4 bytes at _gate+0x160")
    with pytest.raises(RefusedError, match=r"compute-sanitizer: Invalid __global__ read.*_gate") as refused:
        told(Sound(says=says), request(8))
    assert refused.value.outcome is Outcome.WRONG


def test_a_sanitizer_that_fails_is_told() -> None:
    says = Sanitized(verdict=Verdict.UNTOLD, told="compute-sanitizer: not installed here")
    assert told(Sound(says=says), request(8))[SANITIZER] == "not done: compute-sanitizer: not installed here"


def test_time_for_leaving_out_launches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "NEEDED_SECONDS", -1.0)
    assert told(Sound(), request(8), request(16, launches=1))[NEEDED] == "none (1 of 2 shapes tried)"


def test_the_sanitizer_watches_each_small_call_once() -> None:
    huge = 1 << 15
    assert call(huge).tensors["x"].bytes > auditing.SANITIZED_BYTES
    cases = watched([request(rows).workload for rows in (8, 16, huge)])
    assert [case.call.name for case in (*cases.checked, cases.timed)] == ["T=3", "T=8", "T=16"]
    assert watched([replace(request(huge).workload, checked=())]).timed.call.name == f"T={huge}"
