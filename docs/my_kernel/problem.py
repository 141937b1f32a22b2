"""The activation between the two products of an expert: ``y = silu(gate) * up``, gate and up side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.problem import KernelFacts, KernelProblem, only_generated
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.errors import beyond_element, beyond_overall, error_of, not_finite
from evaluators.kernels.tasks.laws import generator
from evaluators.kernels.tasks.sizes import about, case_seed, random_of
from evaluators.model import Split

SHAPES = {  # tokens and width: Qwen3-30B, Mixtral, DeepSeek-V2-Lite; hidden ones are of other models and sizes
    Split.TRAIN: ((256, 768), (4096, 1408)),
    Split.VALIDATION: ((900, 768), (3000, 1408)),
    Split.HIDDEN: ((70, 1792), (6000, 1024), (2000, 704)),
}
ODD = ((0, 768), (1, 768), (37, 60))  # no token, one token, no power of two
LAWS = ("normal", "large", "negative", "sparse")
ROUNDING = 2.0**-8  # the largest relative error of one rounding to bfloat16
BEFORE = 2.0**-20  # and of an honest silu in float32, before it
LEAST = 2.0**-110  # float32 has no exp(89): where the gate is below -88 results may be zero

Truth = tuple[Tensor, Tensor]

FACTS = KernelFacts(
    name="my_kernel",
    title="SwiGLU activation of an expert's first product",
    entry="swiglu",
    parameters=("gate_up",),
    folder=Path(__file__).parent / "seeds",
    origin=str(Path(__file__).parent),  # by which other processes find this file
)


def call(tokens: int, width: int) -> Call:
    """What the host function gets and returns: types and shapes, no data."""
    return Call(
        name=f"T={tokens} H={width}",
        tensors={"gate_up": Form(dtype="bfloat16", shape=(tokens, 2 * width))},
        outputs=(Form(dtype="bfloat16", shape=(tokens, width)),),
    )


def activation(gate_up: Tensor) -> Tensor:
    """The reference, in the type of its argument."""
    gate, up = gate_up.chunk(2, dim=1)
    return gate * torch.sigmoid(gate) * up


def eager(case: Case, contents: Tensors) -> Sequence[Tensor]:
    """What a careful user writes: in float32, rounded once."""
    del case
    return (activation(contents["gate_up"].float()).bfloat16(),)


class Swiglu:
    """What is asked for, and when it is right; see `evaluators.kernels.task.AuditableTask`."""

    revision = 1
    checks = ("finite", "element", "overall")
    partial_columns: frozenset[str] = frozenset()

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Shapes of a block, sizes drawn from its seed: one timed call each, beside it such as must only be right."""
        random, made = random_of(seed, f"my_kernel:{split.value}"), []
        for place, (tokens, width) in enumerate(SHAPES[split]):
            timed = call(about(tokens).draw(random), width)
            checked = [(call(2 * random.randint(16, 60) + 1, width), law) for law in LAWS]
            checked += [(call(*ODD[place % len(ODD)]), "normal"), (timed, LAWS[place % len(LAWS)])]
            timed_case, *cases = (
                Case(call=one, law=law, seed=case_seed(seed, f"my_kernel:{split.value}:{one.name}:{law}"))
                for one, law in ((timed, "normal"), *checked)
            )
            made.append(KernelWorkload(name=timed.name, timed=timed_case, checked=tuple(cases)))
        return made

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh contents by the case's law: the draw of that number."""
        random, form = generator(case, number, device), case.call.tensors["gate_up"]
        drawn = torch.randn(form.shape, generator=random, device=device)
        if case.law == "sparse":
            drawn = drawn * (torch.rand(form.shape, generator=random, device=device) < 0.1)
        shift, scale = {"large": (0, 30), "negative": (-6, 2)}.get(case.law, (0, 1))
        return {"gate_up": (drawn * scale + shift).bfloat16()}

    def truth(self, case: Case, contents: Tensors) -> Truth:
        """What is right, in float64, and what an honest program returns."""
        return activation(contents["gate_up"].double()), eager(case, contents)[0]

    def fault(
        self,
        case: Case,
        contents: Tensors,
        truth: Truth,
        outputs: Sequence[Tensor],
        off: frozenset[str],
    ) -> Fault | None:
        """The first thing that is wrong. Budgets are multiples of an honest program's error, not round numbers."""
        del case, contents
        (right, honest), output = truth, outputs[0]
        size, usual, error = (float(it.norm()) for it in (right, error_of(honest, right), error_of(output, right)))
        budget = right.abs() * (2 * ROUNDING + BEFORE) + LEAST
        found = {
            "finite": not_finite("finite", "y", output),
            "element": beyond_element("element", "y", output, right, budget),
            "overall": beyond_overall("overall", "y", error, size, 1.25 * usual / max(size, LEAST), LEAST),
        }
        return next((fault for name, fault in found.items() if fault is not None and name not in off), None)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """The least that any program must do: score 100 is that at the machine's peak."""
        del contents
        given, (returned,) = case.call.tensors["gate_up"], case.call.outputs
        return Traffic(read_bytes=given.bytes, written_bytes=returned.bytes, flops=4.0 * returned.items)

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What users would compare with, timed in the same breath."""
        return {"eager": eager}

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, and why."""
        return {}

    def audit_case(self, seed: int) -> Case:
        """A case on which `spoils` can do their work."""
        return Case(call=call(200, 96), law="normal", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check a way to spoil right outputs that it alone stands against: so no check is idle."""
        return {"finite": _infinite, "element": _one_off, "overall": _badly_rounded}


def _infinite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents, random
    outputs[0][3, 5] = float("inf")
    return outputs


def _one_off(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents, random
    outputs[0].view(-1)[outputs[0].abs().flatten().argsort()[outputs[0].numel() // 2]] *= 1.05
    return outputs


def _badly_rounded(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A third of all items rounded to the worse neighbour, which one item alone may be."""
    output, right = outputs[0], activation(contents["gate_up"].double())
    towards = torch.where(right > output.double(), torch.inf, -torch.inf).to(output.dtype)
    some = torch.rand(output.shape, generator=random) < 1 / 3
    return (torch.where(some & (right != output.double()), torch.nextafter(output, towards), output),)


def make_problem(workload: str) -> KernelProblem:
    """What ``evolve`` calls; ``workload`` is what ``--workload`` says."""
    only_generated(FACTS.name, workload)
    return KernelProblem(FACTS, Swiglu())
