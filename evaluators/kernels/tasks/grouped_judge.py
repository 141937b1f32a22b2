"""What is right for grouped gating, and what is wrong with outputs."""

from __future__ import annotations

import math
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

# How often an honest float32 program's own error a program may make, and the least budgets of weights, as in top-k
# gating: few rows may happen to be exact, an approximate exponential or division costs two units in the last place.
TIMES_HONEST = 4.0
LEAST = Budgets(row=0.75 * 2.0**-20, overall=2.0**-21, bias=2.0**-22)
ELEMENT_OVER_ROW = 1.3
# exp(-x) by a power of 2: the rounded product with log2(e), and log2(e) rounded, make one and a half units of 2**-24
# for each unit of x. A choice may be off by two of them, an element by more, since that is checked one by one.
EXPONENT, EXPONENT_CHOICE, EXPONENT_ELEMENT = 1.5 * 2.0**-24, 2.0**-23, 2.0**-20
SIGMOID = 2.0**-21
ADDITION = 2.0**-23
LOG2E = 1.4426950408889634


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many experts are chosen of which groups."""

    k: int
    groups: int
    top_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedTruth:
    """What is right.

    Args:
        logits: float64 ``[T, E]``.
        scores: their sigmoids, float64.
        biased: scores and bias, float64.
        doubt: how far float32 may be off in `biased`, float64.
        inside: groups that every right program keeps, bool ``[T, groups]``.
        outside: groups that none keeps.
        layout: of the call.
        budgets: how large errors of weights may be.
    """

    logits: Tensor
    scores: Tensor
    biased: Tensor
    doubt: Tensor
    inside: Tensor
    outside: Tensor
    layout: Layout
    budgets: Budgets

    @property
    def group_size(self) -> int:
        """Experts of a group."""
        return self.scores.shape[1] // self.layout.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Outputs beside what is right for the experts that they name.

    Args:
        truth: what is right.
        weights: as given.
        ids: as given.
        safe: ids brought into range; that they are not is another check's business.
        right: weights of those experts, float64.
        errors: of the weights.
    """

    truth: GroupedTruth
    weights: Tensor
    ids: Tensor
    safe: Tensor
    right: Tensor
    errors: Tensor


def truth(logits: Tensor, bias: Tensor, *, k: int, groups: int, top_groups: int) -> GroupedTruth:
    """Scores in float64, what float32 cannot tell apart, and four times what a float32 program's weights are off."""
    layout = Layout(k=k, groups=groups, top_groups=top_groups)
    exact = logits.double()
    scores = torch.sigmoid(exact)
    biased = scores + bias.double()
    doubt = scores * (SIGMOID + EXPONENT_CHOICE * (-exact).clamp_min(0.0)) + biased.abs() * ADDITION
    inside, outside = _kept(biased, doubt, layout)
    budgets = _budgets(logits, scores, best(biased, layout))
    return GroupedTruth(
        logits=exact,
        scores=scores,
        biased=biased,
        doubt=doubt,
        inside=inside,
        outside=outside,
        layout=layout,
        budgets=budgets,
    )


def best(biased: Tensor, layout: Layout) -> Tensor:
    """Experts that the rule chooses, int64 ``[T, k]``; where scores tie, some of them."""
    tokens, experts = biased.shape
    size = experts // layout.groups
    scores = biased.view(tokens, layout.groups, size).topk(2, dim=2).values.sum(dim=2)
    groups = scores.topk(layout.top_groups, dim=1).indices
    kept = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, groups, value=True)
    return biased.masked_fill(~kept.repeat_interleave(size, dim=1), -math.inf).topk(layout.k, dim=1).indices


def _kept(biased: Tensor, doubt: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Groups that every right program keeps, and those that none keeps."""
    tokens, experts = biased.shape
    by_group = (tokens, layout.groups, experts // layout.groups)
    two = biased.view(by_group).topk(2, dim=2)
    score = two.values.sum(dim=2)
    unsure = doubt.view(by_group).gather(2, two.indices).sum(dim=2) + score.abs() * ADDITION
    low, high = score - unsure, score + unsure
    # A group is inside if too few others can come before it, outside if enough others must.
    can_lead = (high[:, None, :] >= low[:, :, None]).sum(dim=2) - 1
    must_lead = (low[:, None, :] > high[:, :, None]).sum(dim=2)
    return can_lead < layout.top_groups, must_lead >= layout.top_groups


def _budgets(logits: Tensor, scores: Tensor, ids: Tensor) -> Budgets:
    x = logits.float().gather(1, ids)
    honest = _normalised(1.0 / (1.0 + torch.exp2(x * -LOG2E))).double()
    right = _normalised(scores.gather(1, ids))
    errors = honest - right
    rows = errors.norm(dim=1) / right.norm(dim=1)
    deepest = float((-x).clamp_min(0.0).max()) * EXPONENT if x.numel() else 0.0
    return Budgets(
        row=_at_least(rows.max() if rows.numel() else 0.0, LEAST.row + deepest),
        overall=_at_least(errors.norm() / right.norm().clamp_min(TINY), LEAST.overall + deepest),
        bias=_at_least(errors.sum().abs() / right.sum().clamp_min(TINY), LEAST.bias),
    )


def _normalised(scores: Tensor) -> Tensor:
    return scores / scores.sum(dim=1, keepdim=True)


def _at_least(honest: Tensor | float, least: float) -> float:
    return max(TIMES_HONEST * float(honest), least)


def right_weights(right: GroupedTruth, ids: Tensor) -> Tensor:
    """Weights of the experts named, float64 ``[T, k]``."""
    return _normalised(right.scores.gather(1, ids.long()))


def element_budget(right: GroupedTruth, ids: Tensor) -> Tensor:
    """How far the weights of the experts named may be off; more where the exponential's argument is large."""
    depth = (-right.logits.gather(1, ids.long())).clamp_min(0.0)
    deepest = depth.amax(dim=1, keepdim=True) if depth.shape[1] else depth
    return right_weights(right, ids) * (ELEMENT_OVER_ROW * right.budgets.row + EXPONENT_ELEMENT * deepest) + TINY


def fault(right: GroupedTruth, weights: Tensor, ids: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    safe = ids.long().remainder(right.scores.shape[1])
    wanted = right_weights(right, safe)
    judged = _Judged(truth=right, weights=weights, ids=ids, safe=safe, right=wanted, errors=error_of(weights, wanted))
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "weights", judged.weights)


def _range(judged: _Judged) -> Fault | None:
    return out_of_range(judged.ids, judged.truth.scores.shape[1])


def _distinct(judged: _Judged) -> Fault | None:
    return named_twice(judged.ids, "an expert")


def _used(judged: _Judged) -> Tensor:
    """Groups that the experts named belong to, bool ``[T, groups]``."""
    used = torch.zeros_like(judged.truth.inside)
    return used.scatter_(1, judged.safe // judged.truth.group_size, value=True)


def _groups(judged: _Judged) -> Fault | None:
    """Only groups that can be kept are used, and there is room for those that must be."""
    right, used = judged.truth, _used(judged)
    crowded = (used | right.inside).sum(dim=1) > right.layout.top_groups
    found = first((used & right.outside).any(dim=1) | crowded)
    if found is None:
        return None
    count, row = found
    reason = (
        f"ids[{row}] = {judged.ids[row].tolist()} are of groups {used[row].nonzero().flatten().tolist()}, but the "
        f"{right.layout.top_groups} best groups are {_best_groups(right, row)}; so it is in {count} of {len(used)} rows"
    )
    return Fault(check="groups", reason=reason)


def _best_groups(right: GroupedTruth, row: int) -> list[int]:
    scores = right.biased[row].view(right.layout.groups, -1).topk(2, dim=1).values.sum(dim=1)
    return sorted(scores.topk(right.layout.top_groups).indices.tolist())


def _choice(judged: _Judged) -> Fault | None:
    """No expert that was left out of the kept groups surely comes before one that was chosen."""
    right = judged.truth
    tokens = len(judged.ids)
    chosen = (right.biased + right.doubt).gather(1, judged.safe).amin(dim=1)
    others = (right.biased - right.doubt).scatter(1, judged.safe, -math.inf)
    others = others.view(tokens, right.layout.groups, right.group_size).amax(dim=2)
    kept = _used(judged) | right.inside
    left = torch.where(kept, others, -math.inf).amax(dim=1)
    # Of groups that may be kept or not as many more are as there is room for: at best those whose experts are least.
    room = right.layout.top_groups - kept.sum(dim=1)
    spare = torch.where(kept | right.outside, math.inf, others).sort(dim=1).values
    at = (room - 1).clamp(0, right.layout.groups - 1)
    unseen = torch.where(room > 0, spare.gather(1, at[:, None])[:, 0], -math.inf)
    found = first((left > chosen) | (unseen > chosen))
    if found is None:
        return None
    count, row = found
    named = right.biased[row].gather(0, judged.safe[row])
    reason = (
        f"ids[{row}] = {judged.ids[row].tolist()} have biased scores {short(named)}, but an expert of a kept group "
        f"with {float(torch.maximum(left, unseen)[row]):.7g} is left out; so it is in {count} of {tokens} rows"
    )
    return Fault(check="choice", reason=reason)


def _element(judged: _Judged) -> Fault | None:
    return beyond_element("element", "weights", judged.weights, judged.right, element_budget(judged.truth, judged.safe))


def _row(judged: _Judged) -> Fault | None:
    errors, sizes = judged.errors.norm(dim=1), judged.right.norm(dim=1)
    return beyond_row("row", "weights", errors, sizes, judged.truth.budgets.row, TINY)


def _global(judged: _Judged) -> Fault | None:
    error, size = float(judged.errors.norm()), float(judged.right.norm())
    return beyond_overall("global", "weights", error, size, judged.truth.budgets.overall, TINY)


def _bias(judged: _Judged) -> Fault | None:
    error, size = float(judged.errors.sum()), float(judged.right.sum())
    if abs(error) <= judged.truth.budgets.bias * size + TINY:
        return None
    reason = (
        f"weights do not add up to 1: they are off by {error / max(size, TINY):.3g} in the mean, "
        f"budget {judged.truth.budgets.bias:.3g}"
    )
    return Fault(check="bias", reason=reason)


CHECKS: dict[str, Callable[[_Judged], Fault | None]] = {
    "finite": _finite,
    "range": _range,
    "distinct": _distinct,
    "groups": _groups,
    "choice": _choice,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
