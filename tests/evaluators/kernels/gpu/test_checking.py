"""What the checker finds, with programs acted out on the processor instead of launched on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evaluators.kernels.forms import Form  # noqa: E402
from evaluators.kernels.gpu import trial  # noqa: E402
from evaluators.kernels.gpu.correct import Bound, Checker, index_of  # noqa: E402
from evaluators.kernels.gpu.memory import GUARD_BYTES, Arguments  # noqa: E402
from evaluators.kernels.gpu.protocol import GUARDS, INPUTS, WRITTEN  # noqa: E402
from evaluators.kernels.gpu.replay import Graph, Kernels, Program  # noqa: E402
from evaluators.kernels.plan import LaunchPlan, Output, Pointer, Recording, Storage  # noqa: E402
from evaluators.kernels.task import Case  # noqa: E402

ITEMS = 33
Act = Callable[["torch.Tensor", "torch.Tensor", Bound], None]


@pytest.fixture
def bound(no_driver: object) -> Bound:
    call = trial.call(ITEMS)
    plan = LaunchPlan(
        call=call,
        storages=(Storage(bytes=4 * ITEMS, argument="x"), Storage(bytes=4 * ITEMS)),
        steps=(),
        outputs=(Output(place=Pointer(buffer=1, offset=0), form=call.outputs[0]),),
    )
    recording = Recording(plans={call.name: plan}, kernels=(), cubins=(), architecture=90, triton="3.6")
    program = Program(no_driver, Kernels(no_driver, recording, 0), plan, "cpu")
    return Bound(program=program, arguments=Arguments(call, "cpu"), graph=Graph(no_driver, 0))


def _fault(bound: Bound, act: Act, *off: str) -> tuple[str, str] | None:
    def run(bound: Bound, case: Case) -> None:
        act(bound.arguments.tensors["x"], bound.program.slab.bytes_at(0, 0, 4 * ITEMS).view(torch.float32), bound)

    checker = Checker(task=trial.Scale(), off=frozenset(off), rng=np.random.default_rng(1))
    case = Case(call=trial.call(ITEMS), law="normal", seed=3)
    fault = checker.fault(bound, case, 7, run)
    return (fault.check, fault.reason) if fault else None


def _good(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
    y.copy_(x * 2 + 1)


def test_a_right_program_has_no_fault(bound: Bound) -> None:
    assert _fault(bound, _good) is None


def test_an_item_that_is_never_written_is_named(bound: Bound) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        y[:-1].copy_(x[:-1] * 2 + 1)

    assert _fault(bound, act) == (WRITTEN, f"output 0 is never written at [{ITEMS - 1}] of float32[{ITEMS}]")
    # Without that check the task finds the poison, which is NaN the second time.
    assert _fault(bound, act, WRITTEN) is not None


def test_yesterdays_output_is_no_output(bound: Bound) -> None:
    assert _fault(bound, _good) is None
    assert _fault(bound, lambda x, y, bound: None) is not None


def test_a_result_that_depends_on_what_the_buffer_held_is_wrong(bound: Bound) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        y.mul_(0).add_(x * 2 + 1)

    found = _fault(bound, act)
    assert found is not None
    assert found[0] == "element"


@pytest.mark.parametrize("where", [4 * ITEMS, 4 * ITEMS + GUARD_BYTES - 1, -1])
def test_a_byte_outside_of_the_outputs_is_found(bound: Bound, where: int) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        _good(x, y, bound)
        bound.program.slab.bytes_at(0, where, 1).fill_(0)

    found = _fault(bound, act)
    assert found is not None
    assert found[0] == GUARDS
    assert _fault(bound, act, GUARDS) is None


def test_a_byte_outside_of_the_arguments_is_found(bound: Bound) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        _good(x, y, bound)
        bound.arguments.slab.bytes_at(0, 4 * ITEMS, 1).fill_(0)

    found = _fault(bound, act)
    assert found is not None
    assert found[0] == GUARDS
    assert "'x'" in found[1]


def test_an_argument_that_was_written_to_is_named(bound: Bound) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        _good(x, y, bound)
        x[5] = 0

    assert _fault(bound, act) == (INPUTS, "argument 'x' was written to, first at item 5")
    assert _fault(bound, act, INPUTS) is None


def test_a_wrong_number_is_the_tasks_to_find(bound: Bound) -> None:
    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        _good(x, y, bound)
        y[4] += 0.01

    found = _fault(bound, act)
    assert found is not None
    assert found[0] == "element"
    assert found[1].startswith("[4] is")
    assert _fault(bound, act, "element") is None


def test_wrong_in_one_of_two_replays_is_wrong(bound: Bound) -> None:
    calls = []

    def act(x: torch.Tensor, y: torch.Tensor, bound: Bound) -> None:
        _good(x, y, bound)
        calls.append(1)
        if len(calls) == 2:
            y[0] += 1

    assert _fault(bound, act) is not None


def test_items_are_named_by_their_index() -> None:
    assert index_of(7, Form(dtype="int8", shape=(3, 3))) == "[2, 1] of int8[3, 3]"
    assert index_of(0, Form(dtype="int8", shape=())) == "[] of int8[]"
