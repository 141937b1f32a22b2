"""What is right for the fused experts of a layer, and what is wrong with an output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import silu

from evaluators.kernels.task import Fault, Tensors
from evaluators.kernels.tasks.errors import (
    TINY,
    Budgets,
    beyond_element,
    beyond_overall,
    beyond_row,
    beyond_sums,
    error_of,
    not_finite,
)

# Times the error of a program that rounds to bf16 what passes between four kernels: gate and up, their product,
# weighted outputs of experts, the sum. Programs that round less make 0.4 to 0.9 of it, common eager loops, which round
# router weights and the sum after each expert too, up to 1.4; one that keeps the sums of its first product in bf16
# makes twice of it and more, from H = 1024 on.
TIMES_HONEST = Budgets(row=2.0, overall=1.5, bias=6.0)
LEAST = 3.3e-3
"""Taken for an honest program's error where it happens to make less: four roundings of 2**-8, each of which is 0.42 of
that on average, root mean square."""
SPREAD = 3.0
"""Standard errors by which an error of few independent roundings may exceed that of the honest program."""
ELEMENT = 5.0
"""An element may be off by so many times what is allowed in the root mean square of its row."""
UNITS = 2.0
SYSTEMATIC = 2.0**-15
TOGETHER = 3.0
"""Fourth moment of what comes between the products, over the square of the second, at the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertsTruth:
    """What is right.

    Args:
        right: the sums, float64 ``[T, H]``.
        sizes: root of the summed squares of a token's weighted expert outputs, float64 ``[T]``: its norm, were they at
            right angles. Errors are read against it, since of outputs that cancel out the errors stay.
        budgets: of rows and of the whole, relative to `sizes`; `bias` is the number of standard errors.
        noise: standard errors of the two sums that the bias check looks at.
        usual: what an honest program's errors come to in these sums.
    """

    right: Tensor
    sizes: Tensor
    budgets: Budgets
    noise: tuple[float, float]
    usual: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    truth: ExpertsTruth
    output: Tensor
    errors: Tensor


def truth(contents: Tensors) -> ExpertsTruth:
    """The layer in float64, and the errors that an honest program makes on the same arguments; expert by expert."""
    x, w13, w2 = (contents[name] for name in ("x", "w13", "w2"))
    k, inner = contents["ids"].shape[1], w2.shape[2]
    right = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    honest = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
    squares = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for expert, rows in rows_by_expert(contents["ids"], len(w13)):
        tokens, scale = rows // k, contents["weights"].flatten()[rows].unsqueeze(1)
        gate, up = (x[tokens].double() @ w13[expert].double().T).chunk(2, dim=1)
        output = ((silu(gate) * up) @ w2[expert].double().T) * scale.double()
        right.index_add_(0, tokens, output)
        squares.index_add_(0, tokens, output.square().sum(dim=1))
        rounded = (silu(gate.to(x.dtype)) * up.to(x.dtype)).float() @ w2[expert].float().T
        honest.index_add_(0, tokens, (rounded * scale).to(x.dtype).float())
    return _with_budgets(right, squares.sqrt(), honest.to(x.dtype), inner)


def rows_by_expert(ids: Tensor, experts: int) -> Iterator[tuple[int, Tensor]]:
    """Each expert that is chosen, and the flat places of `ids` that name it, int64 and rising."""
    flat = ids.flatten().long()
    order = flat.argsort(stable=True)
    ends = torch.bincount(flat, minlength=experts).cumsum(0).tolist()
    for expert, (start, end) in enumerate(pairwise([0, *ends])):
        if end > start:
            yield expert, order[start:end]


def _with_budgets(right: Tensor, sizes: Tensor, honest: Tensor, inner: int) -> ExpertsTruth:
    errors = error_of(honest, right)
    rows = errors.norm(dim=1) / sizes.clamp_min(TINY)
    size = float(sizes.norm())
    # Of a few rows, or of few that are large, and of short ones, roundings do not average out.
    alike = size**4 / max(float(sizes.pow(4).sum()), TINY)
    widened = 1 + SPREAD / (2 * max(1.0, alike) * inner) ** 0.5
    budgets = Budgets(
        row=TIMES_HONEST.row * max(LEAST, float(rows.max() if rows.numel() else 0.0)),
        overall=TIMES_HONEST.overall * widened * max(LEAST, float(errors.norm()) / max(size, TINY)),
        bias=TIMES_HONEST.bias,
    )
    # A number rounded before the second product moves a whole row, mostly along itself where H is many times I: few
    # rows would not show how much.
    together = (1 + TOGETHER * right.shape[1] / inner) ** 0.5
    noise = (_standard_error(errors), _standard_error(errors * right, least=together))
    usual = (float(errors.sum()), float((errors * right).sum()))
    return ExpertsTruth(right=right, sizes=sizes, budgets=budgets, noise=noise, usual=usual)


def _standard_error(terms: Tensor, least: float = 1.0) -> float:
    """Standard error of the sum of terms of mean 0. Those of a row may hang together, by what is rounded before the
    second product, and those of a column, where tokens are alike.

    Args:
        terms: ``[T, H]``.
        least: of the factor by which those of a row do.
    """
    apart = max(float(terms.norm()), TINY**2)
    rows, columns = (float(terms.sum(dim=dim).norm()) / apart for dim in (1, 0))
    return apart * max(least, rows) * max(1.0, columns)


def fault(right: ExpertsTruth, output: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the output fails, in the order of `CHECKS`."""
    judged = _Judged(truth=right, output=output, errors=error_of(output, right.right))
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def element_budget(right: ExpertsTruth, unit: float) -> Tensor:
    """How far an element may be off.

    Args:
        right: what is right.
        unit: largest relative error of one rounding to the output's type.
    """
    width = max(1, right.right.shape[1])
    of_row = ELEMENT * right.budgets.row / width**0.5 * right.sizes.unsqueeze(1)
    budget: Tensor = right.right.abs() * (UNITS * unit) + of_row + TINY
    return budget


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "y", judged.output)


def _element(judged: _Judged) -> Fault | None:
    budget = element_budget(judged.truth, torch.finfo(judged.output.dtype).eps / 2)
    return beyond_element("element", "y", judged.output, judged.truth.right, budget)


def _row(judged: _Judged) -> Fault | None:
    right = judged.truth
    return beyond_row("row", "y", judged.errors.norm(dim=1), right.sizes, right.budgets.row, TINY)


def _global(judged: _Judged) -> Fault | None:
    right = judged.truth
    error, size = float(judged.errors.norm()), float(right.sizes.norm())
    return beyond_overall("global", "elements of y", error, size, right.budgets.overall, TINY)


def _bias(judged: _Judged) -> Fault | None:
    right = judged.truth
    return beyond_sums(judged.errors, right.right, right.noise, right.usual, right.budgets.bias, SYSTEMATIC)


CHECKS: dict[str, Callable[[_Judged], Fault | None]] = {
    "finite": _finite,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
