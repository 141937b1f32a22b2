"""A problem so small that all of it is known: ``scale(x f32[n]) -> 2 x + 1``. For the self-check and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Tensors, Traffic
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "scale"

GOOD = """
import torch
import triton
import triton.language as tl


@triton.jit
def scaled(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n) * 2 + 1, mask=at < n)


def scale(x):
    y = torch.empty_like(x)
    n = x.numel()
    scaled[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)
    return y
"""

_SLOW = "scaled[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)"

BAD: Mapping[str, str] = {
    "twice": GOOD.replace(_SLOW, f"{_SLOW}\n    {_SLOW}"),
    "unwritten": GOOD.replace("n, BLOCK=1024", "n - 1, BLOCK=1024"),
    "out of bounds": GOOD.replace(" * 2 + 1, mask=at < n)", " * 2 + 1, mask=at < n + 1)"),
    "input": GOOD.replace("\n\n\ndef scale", "\n    tl.store(x + at, 0.0, mask=at < 1)\n\n\ndef scale"),
    "wrong": GOOD.replace("* 2 + 1", "* 2 + 1.5"),
    "illegal address": GOOD.replace("tl.store(y + at", "tl.store(y + at.to(tl.int64) * 1073741824 + 137438953472"),
    "hang": GOOD.replace(
        "    tl.store", "    while tl.load(x, volatile=True) > -1000000.0:\n        at += 0\n    tl.store"
    ),
}
"""Programs that are slow or wrong on the device, by what is wrong."""


def call(items: int) -> Call:
    """The call on so many items."""
    form = Form(dtype="float32", shape=(items,))
    return Call(name=f"n={items}", tensors={"x": form}, outputs=(form,))


def workload(items: int) -> KernelWorkload:
    """One shape, with an odd one and an empty one to be right on."""
    checked = tuple(Case(call=call(odd), law="normal", seed=2) for odd in (1025, 0))
    return KernelWorkload(name=f"n={items}", timed=Case(call=call(items), law="normal", seed=1), checked=checked)


class Scale:
    """See `evaluators.kernels.task.KernelTask`."""

    revision = 1
    checks = ("element",)

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Two shapes, whatever the seed."""
        del split, seed
        return [workload(1 << 16), workload(1 << 22)]

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Normal numbers."""
        import torch  # noqa: PLC0415 - torch is optional

        random = torch.Generator(device).manual_seed(1000 * case.seed + number % 1000)
        return {"x": torch.randn(case.call.tensors["x"].shape, generator=random, device=device)}

    def truth(self, case: Case, contents: Tensors) -> Tensor:
        """The result in float64."""
        del case
        return contents["x"].double() * 2 + 1

    def fault(
        self, case: Case, contents: Tensors, truth: Tensor, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first item that is off by more than rounding."""
        del case, contents
        wrong = ~((outputs[0].double() - truth).abs() <= 1e-5)
        if "element" in off or not bool(wrong.any()):
            return None
        first = int(wrong.nonzero()[0].item())
        return Fault(check="element", reason=f"[{first}] is {float(outputs[0][first]):g}, not {float(truth[first]):g}")

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Every number once in, once out."""
        del contents
        form = case.call.tensors["x"]
        return Traffic(read_bytes=form.bytes, written_bytes=form.bytes, flops=2.0 * form.items)

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """Eager torch, and something that cannot be captured."""
        return {"eager": lambda _, tensors: [tensors["x"] * 2 + 1], "synchronous": _synchronous}


def _synchronous(case: Case, tensors: Tensors) -> Sequence[Tensor]:
    del case
    factor = 2 if bool(tensors["x"].isfinite().all()) else 0
    return [tensors["x"] * factor + 1]


@dataclass(frozen=True, slots=True)
class Trial:
    """What the GPU judge process needs of a problem."""

    task: Scale


def make_problem(workload: str) -> Trial:
    """See `evaluators.registry.load_problem`."""
    del workload
    return Trial(Scale())
