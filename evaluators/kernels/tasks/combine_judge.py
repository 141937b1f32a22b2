"""What is right for the weighted sum of expert rows, and what is wrong with an output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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

# Two programs that add in float32 and round once agree in almost every element, whatever the order, so that an honest
# program's error as a whole is known closely; rounding the weights or the products to bf16 too makes 1.4 times of it.
TIMES_HONEST = Budgets(row=2.0, overall=1.25, bias=6.0)
UNITS = 2.0
SYSTEMATIC = 2.0**-22
CHUNK_ITEMS = 2**25


@dataclass(frozen=True, slots=True, kw_only=True)
class CombineTruth:
    """What is right.

    Args:
        right: the sums, float64 ``[T, H]``.
        slack: how far float32 additions in any order may be off, float32 ``[T, H]``.
        budgets: of rows and of the whole, relative; `bias` is the number of standard errors.
        noise: standard errors of the two sums that the bias check looks at.
        usual: what an honest program's errors come to in these sums. Rounding to the nearest is not quite without
            bias: along what is right its errors add up to minus their own square.
        unit: largest relative error of one rounding to the output's type.
        least: smallest step of the output's type.
    """

    right: Tensor
    slack: Tensor
    budgets: Budgets
    noise: tuple[float, float]
    usual: tuple[float, float]
    unit: float
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    truth: CombineTruth
    output: Tensor
    errors: Tensor


def truth(contents: Tensors) -> CombineTruth:
    """Sums in float64, and the errors that float32 sums rounded once make on the same arguments; in chunks of rows."""
    rows, row_of, weights = contents["expert_out"], contents["row_of"], contents["weights"]
    (tokens, k), hidden = row_of.shape, rows.shape[1]
    right = torch.empty((tokens, hidden), dtype=torch.float64, device=rows.device)
    slack = torch.empty((tokens, hidden), dtype=torch.float32, device=rows.device)
    honest = torch.empty((tokens, hidden), dtype=rows.dtype, device=rows.device)
    step = max(1, CHUNK_ITEMS // (k * hidden))
    for start in range(0, tokens, step):
        part = slice(start, start + step)
        gathered = rows[row_of[part].long()]
        exact = gathered.double() * weights[part].double().unsqueeze(-1)
        right[part] = exact.sum(dim=1)
        slack[part] = (exact.abs_().sum(dim=1) * (2 * k * 2.0**-24)).float()
        honest[part] = (gathered.float() * weights[part].unsqueeze(-1)).sum(dim=1).to(rows.dtype)
    kind = torch.finfo(rows.dtype)
    return _with_budgets(right, slack, honest, unit=kind.eps / 2, least=kind.tiny * kind.eps)


def _with_budgets(right: Tensor, slack: Tensor, honest: Tensor, *, unit: float, least: float) -> CombineTruth:
    errors = error_of(honest, right)
    sizes = right.norm(dim=1)
    rows = (errors.norm(dim=1) - slack.double().norm(dim=1)).clamp_min(0.0) / sizes.clamp_min(TINY)
    budgets = Budgets(
        row=TIMES_HONEST.row * float(rows.max() if rows.numel() else 0.0),
        overall=TIMES_HONEST.overall * float(errors.norm() / right.norm().clamp_min(TINY)),
        bias=TIMES_HONEST.bias,
    )
    noise = (_standard_error(errors), _standard_error(errors * right))
    usual = (float(errors.sum()), float((errors * right).sum()))
    return CombineTruth(right=right, slack=slack, budgets=budgets, noise=noise, usual=usual, unit=unit, least=least)


def _standard_error(terms: Tensor) -> float:
    """Standard error of the sum of terms of mean 0, whether the terms of a row hang together or not."""
    return max(float(terms.norm()), float(terms.sum(dim=1).norm()))


def fault(right: CombineTruth, output: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the output fails, in the order of `CHECKS`."""
    judged = _Judged(truth=right, output=output, errors=error_of(output, right.right))
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def element_budget(right: CombineTruth) -> Tensor:
    """How far an element may be off: twice what one rounding can cost, and what float32 additions can."""
    return right.right.abs() * (UNITS * right.unit) + right.slack + (right.least + TINY)


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "y", judged.output)


def _element(judged: _Judged) -> Fault | None:
    return beyond_element("element", "y", judged.output, judged.truth.right, element_budget(judged.truth))


def _row(judged: _Judged) -> Fault | None:
    right = judged.truth
    slack = right.slack.double().norm(dim=1) + TINY
    return beyond_row("row", "y", judged.errors.norm(dim=1), right.right.norm(dim=1), right.budgets.row, slack)


def _global(judged: _Judged) -> Fault | None:
    right = judged.truth
    slack = float(right.slack.double().norm()) + TINY
    error, size = float(judged.errors.norm()), float(right.right.norm())
    return beyond_overall("global", "elements of y", error, size, right.budgets.overall, slack)


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
