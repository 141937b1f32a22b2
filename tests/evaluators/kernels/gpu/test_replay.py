"""What a plan becomes: which launches, with which addresses, in which order; the driver is a stand-in."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.gpu.cuda import CudaError
from evaluators.kernels.gpu.memory import Arguments
from evaluators.kernels.gpu.replay import Kernels, Program
from evaluators.kernels.plan import (
    Fill,
    Kernel,
    Launch,
    LaunchPlan,
    Output,
    Pointer,
    Recording,
    Scalar,
    Storage,
)
from evaluators.model import Outcome
from evaluators.problem import RefusedError

FORM = Form(dtype="int32", shape=(4,))
CALL = Call(name="c", tensors={"x": FORM, "z": FORM}, outputs=(FORM,))
PLAIN = Kernel(name="plain", cubin=0, num_warps=4, num_ctas=1, shared_bytes=1024)
BIG = Kernel(name="big", cubin=1, num_warps=8, num_ctas=2, shared_bytes=100_000, global_scratch_bytes=384)
PLAN = LaunchPlan(
    call=CALL,
    storages=(Storage(bytes=16, argument="x"), Storage(bytes=16, argument="z"), Storage(bytes=64), Storage(bytes=16)),
    steps=(
        Fill(place=Pointer(buffer=2, offset=8), count=3, pattern=b"\x01\x02"),
        Launch(kernel=0, grid=(2, 1, 1), arguments=(Pointer(buffer=1, offset=4), Pointer(buffer=2, offset=0))),
        Launch(kernel=1, grid=(5, 2, 1), arguments=(Pointer(buffer=3, offset=0), Scalar(type="i32", value=9))),
        Launch(kernel=0, grid=(0, 1, 1), arguments=()),
        Fill(place=Pointer(buffer=2, offset=0), count=0, pattern=b"\x01"),
    ),
    outputs=(Output(place=Pointer(buffer=3, offset=0), form=FORM),),
)
RECORDING = Recording(plans={"c": PLAN}, kernels=(PLAIN, BIG), cubins=(b"one", b"two"), architecture=90, triton="3.6")
LIMIT = 232_448


def _program(driver: Any, plan: LaunchPlan = PLAN) -> Program:
    return Program(driver, Kernels(driver, RECORDING, LIMIT), plan, "cpu")


def _parameters(launch: tuple[Any, ...]) -> list[int]:
    return [int.from_bytes(ctypes.string_at(address, 8), "little") for address in launch[5]]


@pytest.fixture
def launches(no_driver: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Launches with their parameters, read while they live."""
    seen: list[tuple[Any, ...]] = []

    def launch(*arguments: Any, stream: int, cluster: int) -> None:
        seen.append(
            (arguments[0], arguments[1], arguments[2], arguments[3], stream, cluster, _parameters((0, *arguments)))
        )

    no_driver.launch = launch
    return seen


def test_steps_are_captured_in_order_with_the_judges_addresses(no_driver: Any, launches: list[tuple[Any, ...]]) -> None:
    program = _program(no_driver)
    program.capture({"x": 0x10000, "z": 0x20000}, 77)
    slab = program.slab
    assert no_driver.named("fill") == [("fill", slab.address(0) + 8, b"\x01\x02", 3, 77)]
    first, second = launches
    assert first[1:6] == ((2, 1, 1), 128, 1024, 77, 1)
    assert first[6] == [0x20004, slab.address(0), 0, 0]
    assert second[1:6] == ((5, 2, 1), 256, 100_000, 77, 2)
    assert second[6] == [slab.address(1), 9, slab.address(2), 0]
    order = [
        call[0] for call in no_driver.named("begin_capture", "fill", "end_capture", "instantiate", "destroy_graph")
    ]
    assert order == ["begin_capture", "fill", "end_capture", "instantiate", "destroy_graph"]


def test_scratch_has_room_for_every_block_of_every_cluster(no_driver: Any) -> None:
    sizes = _program(no_driver).slab.layout.sizes
    assert sizes[-1] >= 384 * 2 * 5 * 2
    assert sizes[:-1] == (64, 16)


@pytest.mark.parametrize(
    ("without", "kernels_left"), [((0,), [256]), ((1,), [128]), ((2,), [128, 256]), ((), [128, 256])]
)
def test_launches_can_be_left_out(
    no_driver: Any, launches: list[tuple[Any, ...]], without: tuple[int, ...], kernels_left: list[int]
) -> None:
    _program(no_driver).capture({"x": 0, "z": 0}, 1, without=without)
    assert [launch[2] for launch in launches] == kernels_left


def test_nothing_to_do_is_no_graph(no_driver: Any) -> None:
    program = _program(no_driver, replace(PLAN, steps=PLAN.steps[3:]))
    graph = program.capture({"x": 0, "z": 0}, 1)
    graph.replay(1)
    graph.close()
    assert not no_driver.named("begin_capture", "launch_graph", "destroy_executable")


def test_a_failed_capture_ends_it_and_tells_the_first_reason(no_driver: Any) -> None:
    no_driver.fails = "launch"
    with pytest.raises(CudaError, match="in launch"):
        _program(no_driver).capture({"x": 0, "z": 0}, 1)
    assert no_driver.named("end_capture")
    assert not no_driver.named("instantiate")


def test_kernels_get_leave_for_their_shared_memory(no_driver: Any) -> None:
    no_driver.attributes[1] = 48
    loaded = Kernels(no_driver, RECORDING, LIMIT).loaded
    assert [call[2] for call in no_driver.named("allow_shared")] == [LIMIT - 48]
    assert [kernel.shared_bytes for kernel in loaded] == [1072, 100_048]
    assert (loaded[0].registers, loaded[0].local_bytes) == (40, 16)


def test_more_shared_memory_than_there_is_is_refused_and_nothing_stays_loaded(no_driver: Any) -> None:
    with pytest.raises(RefusedError, match="shared memory") as refused:
        Kernels(no_driver, RECORDING, 99_999)
    assert refused.value.outcome is Outcome.REJECTED
    assert len(no_driver.named("unload")) == 2


def test_outputs_are_copies_of_the_right_bytes(no_driver: Any) -> None:
    program = _program(no_driver)
    program.slab.bytes_at(1, 0, 16).fill_(3)
    (found,) = program.outputs(Arguments(CALL, "cpu"))
    program.slab.poison(0)
    assert found.tolist() == [3] * 16


def test_an_output_inside_an_argument_is_read_there(no_driver: Any) -> None:
    aliased = replace(PLAN, outputs=(Output(place=Pointer(buffer=1, offset=4), form=Form(dtype="int32", shape=(2,))),))
    arguments = Arguments(CALL, "cpu")
    arguments.tensors["z"].fill_(-1)
    (found,) = _program(no_driver, aliased).outputs(arguments)
    assert found.tolist() == [255] * 8
