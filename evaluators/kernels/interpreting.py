"""The CPU tier of kernels: right or wrong on small shapes by Triton's interpreter, in a sandbox; never a speed.

What it can and cannot tell. The interpreter computes bfloat16 wrongly, so arguments and outputs of that type are fed as
float32 that holds bfloat16 values, and the module's own ``bfloat16`` is read as ``float32``. Outputs are rounded to the
declared type before they are judged. Error budgets stay those of the declared types: a program's error here is at most
its error on a GPU, but for reductions in another order, so an honest one passes; but one that loses precision in
bfloat16 passes too, and is caught on a GPU alone. Cases are cut to `MOST_ROWS` rows and `MOST_ITEMS` items, since the
interpreter takes a tenth of a millisecond for each operation of each program of a grid: what a program does on large
shapes alone is not seen. Races, shared memory and occupancy do not exist there.

Python of the module runs in the process that answers (a kernel's body is Python to an interpreter), so an answer is a
claim, worth an outcome without a score.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from evaluators.guest import SandboxGuest
from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, KernelTask, KernelWorkload
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import RefusedError
from evaluators.replies import DTYPE, SHAPE, Array
from sandbox import Buffer, Ending, Limits, Sandbox

if TYPE_CHECKING:
    from torch import Tensor

MOST_ROWS = 67
"""Rows of outputs in one call: an odd number beyond a tile of 64."""

MOST_ITEMS = 1 << 16
"""Items of all arguments and outputs in one call, where that leaves `LEAST_ROWS`."""

LEAST_ROWS = 5

TIMEOUT_SECONDS = 20.0
"""For one call; a small case takes below a second."""

LEAST_TRITON = (3, 9)
"""The interpreter of 3.6 fails on loops over ranges."""

ARGUMENTS = "arguments"
"""Name of the check that a program has left its arguments as they were."""

LIMITS = Limits(memory_bytes=6 << 30, reply_bytes=64 << 20)

_PROGRAM = Path(__file__).parent / "inside" / "interpret.py"
_ENVIRONMENT = {"TRITON_INTERPRET": "1"}
_PRELOAD = ("numpy", "torch", "triton", "triton.runtime.interpreter")
_PREFIX = "argument_"
_BFLOAT16, _STAND_IN = "bfloat16", "float32"
_CRASHES = {"SIGSEGV": "it reads or writes far outside its tensors", "SIGBUS": "it reads or writes outside its memory"}


class Interpreter:
    """Runs host functions of Triton modules under the interpreter, each call in a fresh guest of one sandbox.

    Not to be shared between threads. Close it, or use it in a ``with`` statement.

    Args:
        cpu: processor that guests are pinned to; None lets them roam.

    Raises:
        EvaluatorError: there is no Triton here whose interpreter works.
        SandboxError: the sandbox did not start.
    """

    def __init__(self, *, cpu: int | None = None) -> None:
        _require_triton()
        self._text = _PROGRAM.read_text(encoding="utf-8")
        self._sandbox = Sandbox(preload=_PRELOAD, array_module="numpy", cpu=cpu, environment=_ENVIRONMENT)

    @property
    def layers(self) -> Mapping[str, str]:
        """What the sandbox enforces, by layer."""
        return self._sandbox.layers

    def run(
        self, source: str, entry: str, call: Call, contents: Mapping[str, Array], timeout_seconds: float
    ) -> list[Array]:
        """Call a module's entry once.

        Args:
            source: the module.
            entry: name of its host function.
            call: types and shapes of arguments and outputs.
            contents: an array for each of ``call.tensors``; bfloat16 as float32.
            timeout_seconds: for loading the module and calling it.

        Returns:
            One array for each of ``call.outputs``, of its type and shape; bfloat16 as float32.

        Raises:
            RefusedError: there is no answer, or not in this form, or the program changed an argument.
            EvaluatorError: the guest's own text failed.
        """
        arguments = {
            "source": re.sub(rf"\b{_BFLOAT16}\b", _STAND_IN, source).replace(".bfloat16(", ".float("),
            "entry": entry,
            "tensors": {name: _fed(form) for name, form in call.tensors.items()},
            "scalars": dict(call.scalars),
            **{_PREFIX + name: contents[name] for name in call.tensors},
        }
        with self._sandbox.open(self._text, "interpret", LIMITS) as session:
            if session.load.ending is not Ending.REPLIED:
                raise EvaluatorError(
                    f"the interpreter does not load: {session.load.reason}; is it Triton 3.9 or newer?"
                )
            guest = SandboxGuest(session, time.perf_counter)
            try:
                value, _ = guest.ask(arguments, timeout_seconds)  # type: ignore[arg-type]
            except RefusedError as refused:
                if what := _CRASHES.get(refused.reason):
                    raise RefusedError(refused.outcome, f"{refused.reason}: {what}") from None
                raise
        return _checked(value, call.outputs)

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _require_triton() -> None:
    found = importlib.util.find_spec("triton") and importlib.metadata.version("triton")
    if not found or tuple(map(int, found.split(".")[:2])) < LEAST_TRITON:
        wanted = ".".join(map(str, LEAST_TRITON))
        raise EvaluatorError(
            f"kernels are interpreted by Triton {wanted} or newer; here is {found or 'none'}\n"
            f"hint: pip install 'triton>={wanted}', or judge on a GPU with --device cuda"
        )


def check_on_cpu(
    task: KernelTask,
    workload: KernelWorkload,
    interpreter: Interpreter,
    source: str,
    entry: str,
    off: frozenset[str] = frozenset(),
) -> None:
    """Hold a program to what is right on every case of a workload, cut to few rows where it has many.

    Args:
        task: the problem's trusted side.
        workload: one shape with its cases.
        interpreter: where programs run.
        source: the module.
        entry: name of its host function.
        off: names of checks to leave out; only audits leave any out.

    Raises:
        RefusedError: the program is wrong on a case, or did not answer.
    """
    for case in (*workload.checked, workload.timed):
        _check_case(task, small(task, case), interpreter, (source, entry), off)


@runtime_checkable
class Shrinks(Protocol):
    """A task that cuts its own cases, because lengths of its outputs are no multiples of those of its arguments."""

    def shrunk(self, case: Case, most_rows: int) -> Case:
        """The case cut to so many rows at most."""


def small(task: KernelTask, case: Case, most_rows: int = MOST_ROWS) -> Case:
    """The case cut as its task says, or else as `shrunk` does it."""
    return task.shrunk(case, most_rows) if isinstance(task, Shrinks) else shrunk(case, most_rows)


def shrunk(case: Case, most_rows: int = MOST_ROWS) -> Case:
    """The case cut to few rows: with them, in proportion, first axes that are a multiple of the outputs'."""
    call = case.call
    rows = call.outputs[0].shape[0] if call.outputs[0].shape else 0
    items = sum(form.items for form in (*call.tensors.values(), *call.outputs))
    kept = min(rows, most_rows, max(LEAST_ROWS, MOST_ITEMS * rows // max(items, 1)))
    if kept == rows:
        return case

    def cut(form: Form) -> Form:
        fits = form.shape and form.shape[0] % rows == 0
        return replace(form, shape=(form.shape[0] // rows * kept, *form.shape[1:])) if fits else form

    smaller = replace(
        call,
        name=f"{call.name}, of which {kept} rows",
        tensors={name: cut(form) for name, form in call.tensors.items()},
        outputs=tuple(cut(form) for form in call.outputs),
    )
    return replace(case, call=smaller)


def to_array(tensor: Tensor) -> Array:
    """A tensor's contents as an array; bfloat16 as float32, exactly."""
    plain = tensor.float() if str(tensor.dtype) == f"torch.{_BFLOAT16}" else tensor
    array: Array = plain.detach().cpu().contiguous().numpy()
    return array


def to_tensor(array: Array, form: Form) -> Tensor:
    """An array of `Interpreter.run` as a tensor of the declared type; float32 rounded to bfloat16 where that is it."""
    torch: Any = importlib.import_module("torch")  # not for those who only read what a problem declares
    tensor: Tensor = torch.from_numpy(array.copy()).to(getattr(torch, form.dtype))
    return tensor


def _check_case(
    task: KernelTask, case: Case, interpreter: Interpreter, program: tuple[str, str], off: frozenset[str]
) -> None:
    contents = task.contents(case, 0, "cpu")
    arrays = {name: to_array(tensor) for name, tensor in contents.items()}
    where = f"{case.call.name} ({case.law})"
    try:
        answer = interpreter.run(*program, case.call, arrays, TIMEOUT_SECONDS)
    except RefusedError as refused:
        if refused.check in off and refused.check:
            return
        raise RefusedError(refused.outcome, f"{where}: {refused.reason}", check=refused.check) from None
    outputs = [to_tensor(array, form) for array, form in zip(answer, case.call.outputs, strict=True)]
    fault = task.fault(case, contents, task.truth(case, contents), outputs, off)
    if fault is not None:
        raise RefusedError(Outcome.WRONG, f"{where}: {fault.reason}", check=fault.check)


def _fed(form: Form) -> str:
    return _STAND_IN if form.dtype == _BFLOAT16 else form.dtype


def _checked(value: object, forms: Sequence[Form]) -> list[Array]:
    """The arrays of an answer, each held to its form."""
    if isinstance(value, Mapping):
        reason = str(value.get("reason"))
        checks = {"argument": ARGUMENTS, "form": DTYPE}
        fault = str(value.get("fault"))
        if fault not in checks:
            raise RefusedError(Outcome.CRASHED, reason)
        raise RefusedError(Outcome.WRONG, reason, check=checks[fault])
    items = list(value) if isinstance(value, tuple | list) else [value]
    if len(items) != len(forms):
        raise RefusedError(Outcome.WRONG, f"returns {len(items)} tensors, not {len(forms)}", check=SHAPE)
    return [_array(number, item, form) for number, (item, form) in enumerate(zip(items, forms, strict=True))]


def _array(number: int, item: object, form: Form) -> Array:
    if not isinstance(item, Buffer):
        raise RefusedError(Outcome.WRONG, f"output {number} is no tensor", check=DTYPE)
    array = np.frombuffer(item.data, dtype=np.dtype(item.dtype)).reshape(item.shape)
    if array.dtype != np.dtype(_fed(form)):
        raise RefusedError(Outcome.WRONG, f"output {number} has type {array.dtype}, not {form.dtype}", check=DTYPE)
    if array.shape != form.shape:
        raise RefusedError(Outcome.WRONG, f"output {number} has shape {array.shape}, not {form.shape}", check=SHAPE)
    return array
