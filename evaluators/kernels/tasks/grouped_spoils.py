"""Right outputs of grouped gating made wrong, each so that one check alone stands against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks import grouped_judge
from evaluators.kernels.tasks.grouped_judge import GroupedTruth
from evaluators.kernels.tasks.spoils import any_row

HALF_WAY = 0.5
CLEAR = 0.01
"""Scores so far apart are no tie."""

GROUPS, TOP_GROUPS = 8, 4
"""Of the audit case, which is all that spoils are for: they are not told of scalars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Right:
    """Copies to spoil, and what a spoil needs to know."""

    truth: GroupedTruth
    weights: Tensor
    ids: Tensor

    @property
    def wanted(self) -> Tensor:
        """Right weights of the experts named, float64."""
        return grouped_judge.right_weights(self.truth, self.ids)

    @property
    def relative_budget(self) -> Tensor:
        """How far each weight may be off, relative."""
        return grouped_judge.element_budget(self.truth, self.ids) / self.wanted

    def renamed(self, row: int, ids: Tensor) -> Sequence[Tensor]:
        """Outputs with other experts in a row, their weights right."""
        self.ids[row] = ids.to(torch.int32)
        self.weights[row] = self.wanted[row].float()
        return self.weights, self.ids


def _right(outputs: Sequence[Tensor], contents: Tensors) -> _Right:
    """Copies.

    Raises:
        ValueError: the contents are of another shape than the audit case.
    """
    weights, ids = outputs
    experts, k = contents["logits"].shape[1], ids.shape[1]
    if experts % GROUPS or k > experts // GROUPS * TOP_GROUPS:
        raise ValueError(f"{experts} experts in {GROUPS} groups do not suit: spoil those of the audit case")
    truth = grouped_judge.truth(contents["logits"], contents["bias"], k=k, groups=GROUPS, top_groups=TOP_GROUPS)
    return _Right(truth=truth, weights=weights.clone(), ids=ids.clone())


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    right.weights[any_row(right.ids[:, 0] >= 0, random, "an expert"), -1] = float("nan")
    return right.weights, right.ids


def _range(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    right = _right(outputs, contents)
    right.ids[any_row(right.ids[:, 0] >= 0, random, "an expert"), 0] -= contents["logits"].shape[1]
    return right.weights, right.ids


def _distinct(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One expert twice where all scores are equal, so that it could be any other."""
    right = _right(outputs, contents)
    biased = right.truth.biased
    chosen = biased.gather(1, right.ids.long())
    tied = (chosen.amax(dim=1) - chosen.amin(dim=1) == 0) & (biased.amax(dim=1) == chosen[:, 0])
    row = any_row(tied, random, "equal scores")
    right.ids[row, 1] = right.ids[row, 0]
    return right.weights, right.ids


def _groups(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The best expert of a group that is not kept, which is better than the last that was chosen."""
    right = _right(outputs, contents)
    truth, ids = right.truth, right.ids.long()
    shut_out = truth.biased.masked_fill(~truth.outside.repeat_interleave(truth.group_size, dim=1), -math.inf)
    tempting = shut_out.max(dim=1)
    group = (tempting.indices // truth.group_size)[:, None, None].expand(-1, 1, truth.group_size)
    second = truth.biased.view(len(ids), GROUPS, -1).gather(1, group)[:, 0].topk(2, dim=1).values[:, 1]
    chosen = truth.biased.gather(1, ids)
    last = chosen.min(dim=1)
    fits = (tempting.values > last.values + CLEAR) & (second < last.values - CLEAR)
    row = any_row(fits, random, "an expert shut out by its group")
    swapped = ids[row].clone()
    swapped[last.indices[row]] = tempting.indices[row]
    return right.renamed(row, swapped)


def _choice(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The best expert of the kept groups that was not chosen in place of the last that was."""
    right = _right(outputs, contents)
    truth, ids = right.truth, right.ids.long()
    open_to = truth.biased.masked_fill(~truth.inside.repeat_interleave(truth.group_size, dim=1), -math.inf)
    next_best = open_to.scatter(1, ids, -math.inf).max(dim=1)
    last = truth.biased.gather(1, ids).min(dim=1)
    gap = last.values - next_best.values
    row = any_row((gap > CLEAR) & (gap < math.inf), random, "an expert just below the chosen")
    swapped = ids[row].clone()
    swapped[last.indices[row]] = next_best.indices[row]
    return right.renamed(row, swapped)


def _element(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One small weight off by twice what it may be: too little to show in the row's norm."""
    right = _right(outputs, contents)
    share = right.wanted / right.wanted.norm(dim=1, keepdim=True)
    hidden = share * 2 * right.relative_budget < HALF_WAY * right.truth.budgets.row
    row = any_row(hidden.any(dim=1), random, "a weight that is small beside the others")
    at = int(hidden[row].int().argmax())
    right.weights[row, at] = right.wanted[row, at] * (1 + 2 * right.relative_budget[row, at])
    return right.weights, right.ids


def _row(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One row of small scores off by more than a row may be and less than each element may be."""
    right = _right(outputs, contents)
    budget = right.relative_budget.amin(dim=1)
    row = any_row(budget > 2 * right.truth.budgets.row, random, "small scores alone")
    off_by = HALF_WAY * (float(budget[row]) + right.truth.budgets.row)
    right.weights[row] = (right.wanted[row] * (1 + off_by)).float()
    return right.weights, right.ids


def _global(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Every row off by a little less than a row may be, one up, the next down."""
    del random
    right = _right(outputs, contents)
    budgets = right.truth.budgets
    signs = torch.ones(len(right.ids), dtype=torch.float64, device=right.ids.device)
    signs[::2] = -1.0
    off_by = HALF_WAY * (budgets.overall + budgets.row) * signs
    return (right.wanted * (1 + off_by[:, None])).float(), right.ids


def _bias(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """All weights too large by the same, less than the whole may be off."""
    del random
    right = _right(outputs, contents)
    budgets = right.truth.budgets
    return (right.wanted * (1 + HALF_WAY * (budgets.bias + budgets.overall))).float(), right.ids


SPOILS: Mapping[str, Spoil] = {
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
