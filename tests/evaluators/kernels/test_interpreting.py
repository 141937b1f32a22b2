from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the interpreter needs torch")
triton = pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")

from evaluators.kernels.forms import Call, Form  # noqa: E402 - torch may be missing
from evaluators.kernels.interpreting import ARGUMENTS, Interpreter, check_on_cpu, shrunk  # noqa: E402
from evaluators.kernels.task import Case, Fault, KernelWorkload, Traffic  # noqa: E402
from evaluators.model import EvaluatorError, Outcome, Split  # noqa: E402
from evaluators.problem import RefusedError  # noqa: E402

ROW_SUM = """
import torch
import triton
import triton.language as tl


@triton.jit
def _sum_rows(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offsets = tl.arange(0, BLOCK)
    values = tl.load(x_ptr + row * columns + offsets, mask=offsets < columns, other=0.0)
    tl.store(out_ptr + row, tl.sum(values.to(tl.float32), axis=0).to(tl.bfloat16))


def row_sum(x):
    rows, columns = x.shape
    out = torch.empty((rows,), device=x.device, dtype=x.dtype)
    if rows:
        _sum_rows[(rows,)](x, out, columns, BLOCK=triton.next_power_of_2(columns))
    return out
"""
ENTRY = "row_sum"


def call(rows: int, columns: int) -> Call:
    return Call(
        name=f"{rows}x{columns}",
        tensors={"x": Form(dtype="bfloat16", shape=(rows, columns))},
        outputs=(Form(dtype="bfloat16", shape=(rows,)),),
    )


class RowSum:
    """Sums of rows: the least task there is."""

    checks = ("sum",)

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        checked = tuple(Case(call=call(rows, 33), law="normal", seed=rows) for rows in (0, 1, 5))
        return [KernelWorkload(name="big", timed=Case(call=call(4096, 4096), law="normal", seed=9), checked=checked)]

    def contents(self, case: Case, number: int, device: str) -> Mapping[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(case.seed + number)
        shape = case.call.tensors["x"].shape
        return {"x": torch.randn(shape, generator=generator).to(torch.bfloat16).to(device)}

    def truth(self, case: Case, contents: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return contents["x"].double().sum(1)

    def fault(
        self,
        case: Case,
        contents: Mapping[str, torch.Tensor],
        truth: torch.Tensor,
        outputs: Sequence[torch.Tensor],
        off: frozenset[str],
    ) -> Fault | None:
        assert outputs[0].dtype is torch.bfloat16
        wrong = ~((outputs[0].double() - truth).abs() <= 0.02 * truth.abs() + 1e-3)
        if "sum" in off or not bool(wrong.any()):
            return None
        return Fault(check="sum", reason=f"row {int(wrong.nonzero()[0])} is wrong")

    def traffic(self, case: Case, contents: Mapping[str, torch.Tensor]) -> Traffic:
        return Traffic(read_bytes=0, written_bytes=0)

    def columns(self) -> Mapping[str, object]:
        return {}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as instance:
        yield instance


@pytest.fixture
def workload() -> KernelWorkload:
    return RowSum().workloads(Split.TRAIN, b"")[0]


def refusal(interpreter: Interpreter, source: str, off: frozenset[str] = frozenset()) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check_on_cpu(RowSum(), RowSum().workloads(Split.TRAIN, b"")[0], interpreter, source, ENTRY, off)
    return caught.value


def test_an_honest_module_is_right(interpreter: Interpreter, workload: KernelWorkload) -> None:
    check_on_cpu(RowSum(), workload, interpreter, ROW_SUM, ENTRY, frozenset())


def test_outputs_come_back_as_they_were_computed(interpreter: Interpreter) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    (found,) = interpreter.run(ROW_SUM, ENTRY, call(3, 4), {"x": x}, 20.0)
    assert found.dtype == np.float32
    assert found.tolist() == x.sum(1).tolist()


def test_a_wrong_sum_is_refused_by_the_tasks_check(interpreter: Interpreter) -> None:
    error = refusal(interpreter, ROW_SUM.replace("offsets < columns", "offsets < columns - 1"))
    assert (error.outcome, error.check) == (Outcome.WRONG, "sum")
    assert "1x33 (normal): row 0 is wrong" in error.reason
    check_on_cpu(
        RowSum(),
        RowSum().workloads(Split.TRAIN, b"")[0],
        interpreter,
        ROW_SUM.replace("offsets < columns", "offsets < columns - 1"),
        ENTRY,
        frozenset({"sum"}),
    )


def test_what_was_never_written_is_poison(interpreter: Interpreter) -> None:
    error = refusal(interpreter, ROW_SUM.replace("tl.store(out_ptr + row,", "tl.store(out_ptr + 0,"))
    assert (error.outcome, error.check) == (Outcome.WRONG, "sum")
    assert "5x33" in error.reason


@pytest.mark.parametrize("make", ["torch.empty(8, dtype=x.dtype)", "x.new_empty(8)", "torch.empty_like(x)[:, 0]"])
def test_what_is_allocated_starts_as_poison(interpreter: Interpreter, make: str) -> None:
    source = f"import torch\ndef row_sum(x):\n    return {make}\n"
    (found,) = interpreter.run(source, ENTRY, call(8, 8), {"x": np.zeros((8, 8), np.float32)}, 20.0)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("out_ptr + row", "out_ptr + row + 1", r"stores 1 items outside .* 0 items after the end of 'out_ptr'"),
        ("mask=offsets < columns, other=0.0", "", r"loads \d+ items outside .* 'x_ptr'"),
        ("x_ptr + row * columns", "x_ptr - 8 + row * columns", r"loads"),
    ],
)
def test_memory_outside_of_tensors_is_told_with_its_line(
    interpreter: Interpreter, old: str, new: str, told: str
) -> None:
    error = refusal(interpreter, ROW_SUM.replace(old, new))
    assert error.outcome is Outcome.CRASHED
    assert error.reason.endswith(")")
    assert "(line 1" in error.reason
    assert re.search(told, error.reason), error.reason


def test_a_changed_argument_is_refused(interpreter: Interpreter) -> None:
    error = refusal(interpreter, ROW_SUM.replace("    return out\n", "    x.zero_()\n    return out\n"))
    assert (error.outcome, error.check) == (Outcome.WRONG, ARGUMENTS)
    changes = ROW_SUM.replace("    return out\n", "    x.zero_()\n    return out\n")
    check_on_cpu(RowSum(), RowSum().workloads(Split.TRAIN, b"")[0], interpreter, changes, ENTRY, frozenset({ARGUMENTS}))


@pytest.mark.parametrize(
    ("result", "check", "told"),
    [
        ("()", "shape", "returns 0 tensors, not 1"),
        ("(out, out)", "shape", "returns 2 tensors, not 1"),
        ("None", "dtype", "output 0 is a NoneType"),
        ("out.double()", "dtype", "output 0 has type float64, not bfloat16"),
        ("out[:, None]", "shape", "has shape"),
    ],
)
def test_outputs_of_another_form_are_refused(interpreter: Interpreter, result: str, check: str, told: str) -> None:
    error = refusal(interpreter, ROW_SUM.replace("return out", f"return {result}"))
    assert (error.outcome, error.check) == (Outcome.WRONG, check)
    assert told in error.reason


@pytest.mark.parametrize(
    ("source", "outcome", "told"),
    [
        ("import torch\nx = 1 +", Outcome.CRASHED, r"SyntaxError: .* \(line 2\)"),
        ("x = 1", Outcome.CRASHED, "defines no function 'row_sum'"),
        (ROW_SUM.replace("columns = x.shape", "columns = x.shapes"), Outcome.CRASHED, r"AttributeError.*\(line 16\)"),
        ("import os\ndef row_sum(x):\n    os._exit(0)\n", Outcome.CRASHED, "exit status 0"),
        ("def row_sum(x):\n    return bytearray(1 << 40)\n", Outcome.OUT_OF_MEMORY, "MemoryError"),
        ("import ctypes\ndef row_sum(x):\n    ctypes.string_at(8)\n", Outcome.CRASHED, "SIGSEGV: it reads or writes"),
    ],
)
def test_a_module_that_fails_is_told(interpreter: Interpreter, source: str, outcome: Outcome, told: str) -> None:
    error = refusal(interpreter, source)
    assert error.outcome is outcome
    assert re.search(told, error.reason), error.reason


def test_an_endless_kernel_costs_its_own_time_alone(interpreter: Interpreter) -> None:
    endless = "def row_sum(x):\n    while True:\n        pass\n"
    with pytest.raises(RefusedError) as caught:
        interpreter.run(endless, ENTRY, call(1, 4), {"x": np.zeros((1, 4), np.float32)}, 1.0)
    assert caught.value.outcome is Outcome.TIMEOUT
    interpreter.run(ROW_SUM, ENTRY, call(1, 4), {"x": np.zeros((1, 4), np.float32)}, 20.0)


def test_tensors_seem_to_lie_on_a_gpu(interpreter: Interpreter, workload: KernelWorkload) -> None:
    source = ROW_SUM.replace(
        "    rows, columns = x.shape\n",
        "    rows, columns = x.shape\n"
        "    assert x.is_cuda\n"
        "    assert x.device.type == 'cuda'\n"
        "    assert x.dtype is torch.bfloat16\n"
        "    assert torch.cuda.get_device_properties(x.device).multi_processor_count > 1\n",
    )
    check_on_cpu(RowSum(), workload, interpreter, source, ENTRY, frozenset())
    check_on_cpu(RowSum(), workload, interpreter, source.replace("x.device,", "'cuda',"), ENTRY, frozenset())


def test_an_older_triton_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "3.6.0")
    with pytest.raises(EvaluatorError, match=r"3\.9 or newer; here is 3\.6\.0"):
        Interpreter()


@pytest.mark.parametrize(
    ("rows", "columns", "kept"),
    [(0, 8, 0), (67, 8, 67), (68, 8, 67), (4096, 128, 67), (4096, 1 << 11, 15), (4096, 1 << 20, 5), (3, 1 << 20, 3)],
)
def test_large_cases_are_cut_in_proportion(rows: int, columns: int, kept: int) -> None:
    whole = Call(
        name="whole",
        tensors={
            "x": Form(dtype="float32", shape=(2 * rows, columns)),
            "scale": Form(dtype="float32", shape=(7,)),
        },
        outputs=(Form(dtype="float32", shape=(rows, 3)),),
        scalars={"k": 3},
    )
    cut = shrunk(Case(call=whole, law="normal", seed=4))
    assert cut.call.tensors["x"].shape == (2 * kept, columns)
    assert cut.call.tensors["scale"].shape == (7,)
    assert cut.call.outputs[0].shape == (kept, 3)
    assert (cut.call.name == "whole") == (kept == rows)
    assert (cut.call.scalars, cut.law, cut.seed) == ({"k": 3}, "normal", 4)
