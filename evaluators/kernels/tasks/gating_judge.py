"""What is right for top-k gating, and what is wrong with outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.kernels.task import Fault
from evaluators.kernels.tasks.errors import (
    TINY,
    Budgets,
    beyond_element,
    beyond_overall,
    beyond_row,
    error_of,
    first,
    named_twice,
    not_finite,
    out_of_range,
    short,
)

# How often an honest float32 softmax's own error a program may make, and the least budgets: few rows may happen to be
# exact in one order of additions, and an approximate exponential or division costs two units in the last place.
TIMES_HONEST = 4.0
LEAST = Budgets(row=0.75 * 2.0**-20, overall=2.0**-21, bias=2.0**-22)
# Sums of many equal small terms are rounded to the same side every time: a thread may add an eighth of a row like that.
SUM = 2.0**-24 / 16
ELEMENT_OVER_ROW = 1.3
EXPONENTIAL = 2.0**-20


@dataclass(frozen=True, slots=True, kw_only=True)
class GatingTruth:
    """What is right.

    Args:
        total: log of the sum of exp of every row's logits, float64 ``[T]``.
        best: the k largest scores of every row, falling, float64 ``[T, k]``.
        budgets: how large errors of the weights may be.
    """

    total: Tensor
    best: Tensor
    budgets: Budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Outputs beside what is right for the experts that they name."""

    truth: GatingTruth
    experts: int
    weights: Tensor
    ids: Tensor
    scores: Tensor
    errors: Tensor


def truth(logits: Tensor, k: int) -> GatingTruth:
    """Softmax in float64, and four times the errors that a float32 softmax makes on the same logits."""
    exact = logits.double()
    total = torch.logsumexp(exact, dim=1)
    values, ids = torch.topk(exact, k, dim=1)
    best = torch.exp(values - total[:, None])
    honest = torch.softmax(logits.float(), dim=1).gather(1, ids).double() - best
    rows = honest.norm(dim=1) / best.norm(dim=1).clamp_min(TINY)
    added = SUM * logits.shape[1]
    budgets = Budgets(
        row=_at_least(rows.max() if rows.numel() else 0.0, LEAST.row + added),
        overall=_at_least(honest.norm() / best.norm().clamp_min(TINY), LEAST.overall + added),
        bias=_at_least(honest.sum().abs() / best.sum().clamp_min(TINY), LEAST.bias + added),
    )
    return GatingTruth(total=total, best=best, budgets=budgets)


def element_budget(scores: Tensor, budgets: Budgets) -> Tensor:
    """How far a weight may be from its score.

    A little more than a row may be, since rows of one score are nothing else; and an exponential of a difference d in
    float32 is wrong by about d units of 2**-24, so that small scores may be wrong by more, relative to themselves.
    """
    safe = scores.clamp_min(TINY)
    return safe * (ELEMENT_OVER_ROW * budgets.row - EXPONENTIAL * safe.log().clamp_max(0.0)) + TINY


def fault(logits: Tensor, right: GatingTruth, weights: Tensor, ids: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    experts = logits.shape[1]
    # Ids that are out of range are another check's business; here they only must not stop the others.
    chosen = logits.gather(1, ids.long().remainder(experts)).double()
    scores = torch.exp(chosen - right.total[:, None])
    judged = _Judged(
        truth=right, experts=experts, weights=weights, ids=ids, scores=scores, errors=error_of(weights, scores)
    )
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def _at_least(honest: Tensor | float, least: float) -> float:
    return max(TIMES_HONEST * float(honest), least)


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "weights", judged.weights)


def _range(judged: _Judged) -> Fault | None:
    return out_of_range(judged.ids, judged.experts)


def _distinct(judged: _Judged) -> Fault | None:
    return named_twice(judged.ids, "an expert")


def _choice(judged: _Judged) -> Fault | None:
    best = judged.truth.best
    chosen = judged.scores.sort(dim=1, descending=True).values
    found = first((chosen - best).abs() > element_budget(best, judged.truth.budgets))
    if found is None:
        return None
    _, at = found
    row = at // best.shape[1]
    reason = (
        f"ids[{row}] = {judged.ids[row].tolist()} are not the experts of the {best.shape[1]} largest scores: theirs "
        f"are {short(chosen[row])}, the largest are {short(best[row])}"
    )
    return Fault(check="choice", reason=reason)


def _falling(judged: _Judged) -> Fault | None:
    before, after = judged.weights[:, :-1].double(), judged.weights[:, 1:].double()
    found = first(after > before + element_budget(before.nan_to_num(), judged.truth.budgets))
    if found is None:
        return None
    count, at = found
    row = at // before.shape[1]
    reason = f"weights[{row}] = {short(judged.weights[row])} do not fall; {count} steps rise"
    return Fault(check="falling", reason=reason)


def _element(judged: _Judged) -> Fault | None:
    budget = element_budget(judged.scores, judged.truth.budgets)
    return beyond_element("element", "weights", judged.weights, judged.scores, budget)


def _row(judged: _Judged) -> Fault | None:
    sizes = judged.scores.norm(dim=1)
    return beyond_row("row", "weights", judged.errors.norm(dim=1), sizes, judged.truth.budgets.row, TINY)


def _global(judged: _Judged) -> Fault | None:
    error, size = float(judged.errors.norm()), float(judged.scores.norm())
    return beyond_overall("global", "weights", error, size, judged.truth.budgets.overall, TINY)


def _bias(judged: _Judged) -> Fault | None:
    error, size = float(judged.errors.sum()), float(judged.scores.sum())
    if abs(error) <= judged.truth.budgets.bias * size + TINY:
        return None
    reason = (
        f"weights are off to one side: their errors add up to {error / max(size, TINY):.3g} of the scores, "
        f"budget {judged.truth.budgets.bias:.3g}"
    )
    return Fault(check="bias", reason=reason)


CHECKS: dict[str, Callable[[_Judged], Fault | None]] = {
    "finite": _finite,
    "range": _range,
    "distinct": _distinct,
    "choice": _choice,
    "falling": _falling,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
