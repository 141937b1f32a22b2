"""Right outputs of top-k gating made wrong, each so that one check alone stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks import gating_judge
from evaluators.kernels.tasks.errors import Budgets
from evaluators.kernels.tasks.spoils import any_row

HALF_WAY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Right:
    """Right outputs and what a spoil needs to know of them."""

    weights: Tensor
    ids: Tensor
    scores: Tensor
    budgets: Budgets


def _right(outputs: Sequence[Tensor], contents: Tensors) -> _Right:
    """Copies to spoil, with the chosen experts' scores in float64."""
    weights, ids = outputs
    logits = contents["logits"]
    truth = gating_judge.truth(logits, ids.shape[1])
    scores = torch.exp(logits.gather(1, ids.long()).double() - truth.total[:, None])
    return _Right(weights=weights.clone(), ids=ids.clone(), scores=scores, budgets=truth.budgets)


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    right.weights[any_row(right.ids[:, 0] >= 0, random, "an expert"), -1] = float("nan")
    return right.weights, right.ids


def _range(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    right.ids[any_row(right.ids[:, 0] >= 0, random, "an expert"), 0] += contents["logits"].shape[1]
    return right.weights, right.ids


def _distinct(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    tied = right.scores[:, 0] == right.scores[:, 1]
    row = any_row(tied, random, "two equal scores among the chosen")
    right.ids[row, 1] = right.ids[row, 0]
    right.weights[row, 1] = right.weights[row, 0]
    return right.weights, right.ids


def _choice(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The best expert that was not chosen in place of the last that was, with its own right score."""
    right = _right(outputs, contents)
    logits, k = contents["logits"], right.ids.shape[1]
    values, experts = torch.topk(logits.double(), k + 1, dim=1)
    gap = values[:, k - 1] - values[:, k]
    row = any_row((gap > 0.01) & (right.scores[:, k - 1] > 1e-6), random, "an expert just below the chosen")
    right.ids[row] = torch.cat((experts[row, : k - 1], experts[row, k:])).to(torch.int32)
    scores = torch.softmax(logits[row].double(), dim=0)[right.ids[row].long()]
    right.weights[row] = scores.float()
    return right.weights, right.ids


def _falling(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    row = any_row(right.scores[:, 0] > 1.5 * right.scores[:, 1], random, "a clear best expert")
    for tensor in (right.weights, right.ids):
        tensor[row, :2] = tensor[row, :2].flip(0)
    return right.weights, right.ids


def _element(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The last and least of a row's weights a thousandth less: too little to show in the row's norm."""
    right = _right(outputs, contents)
    share = right.scores[:, -1] / right.scores[:, 0]
    row = any_row((share > 1e-30) & (share < 1e-4), random, "a chosen score that is small beside the best")
    right.weights[row, -1] *= 1 - 1e-3
    return right.weights, right.ids


def _row(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One row of moderate scores off by more than a row may be and less than each element may be."""
    right = _right(outputs, contents)
    budget = (gating_judge.element_budget(right.scores, right.budgets) / right.scores.clamp_min(1e-30)).amin(dim=1)
    row = any_row(budget > 2 * right.budgets.row, random, "no score near 1")
    off_by = HALF_WAY * (float(budget[row]) + right.budgets.row)
    right.weights[row] = (right.scores[row] * (1 + off_by)).float()
    return right.weights, right.ids


def _global(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Every row off by a little less than a row may be, one up, the next down."""
    del random
    right = _right(outputs, contents)
    off_by = HALF_WAY * (right.budgets.overall + right.budgets.row)
    # In the order of their sums, so that what goes up and what goes down cancel.
    order = right.scores.sum(dim=1).argsort()
    signs = torch.ones_like(order, dtype=torch.float64)
    signs[order[::2]] = -1.0
    return (right.scores * (1 + off_by * signs[:, None])).float(), right.ids


def _bias(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """All weights too large by the same, less than the whole may be off."""
    del random
    right = _right(outputs, contents)
    return (right.scores * (1 + HALF_WAY * (right.budgets.bias + right.budgets.overall))).float(), right.ids


SPOILS: Mapping[str, Spoil] = {
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
