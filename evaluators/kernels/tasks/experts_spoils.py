"""Right outputs of the fused experts made wrong, each so that one check alone stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks import experts_judge
from evaluators.kernels.tasks.spoils import any_of


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents
    spoiled = outputs[0].clone()
    spoiled.flatten()[any_of(spoiled.numel(), random)] = float("inf")
    return (spoiled,)


def _element(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One element of middling size off by a tenth of its row's root mean square."""
    del contents
    spoiled = outputs[0].clone()
    row = spoiled[any_of(len(spoiled), random)]
    row[row.abs().argsort()[len(row) // 2]] += 0.1 * row.float().norm() / len(row) ** 0.5
    return (spoiled,)


def _row(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One row off by one and a half times what a row may be, evenly, in either direction."""
    truth = experts_judge.truth(contents)
    spoiled = outputs[0].clone()
    row = any_of(len(spoiled), random)
    spoiled[row] = _astray(truth, 1.5 * truth.budgets.row, random)[row]
    return (spoiled,)


def _global(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """All rows off by a little more than they may be together."""
    del outputs
    truth = experts_judge.truth(contents)
    return (_astray(truth, 1.1 * truth.budgets.overall, random),)


def _bias(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Everything too large by a third of a percent."""
    del random
    return ((experts_judge.truth(contents).right * (1 + 1 / 300)).to(outputs[0].dtype),)


def _astray(truth: experts_judge.ExpertsTruth, error: float, random: Generator) -> Tensor:
    """What is right, off by so much of each row's size, evenly over its elements, up and down at random."""
    shape, device = truth.right.shape, truth.right.device
    signs: Tensor = torch.randint(2, shape, generator=random, device=device, dtype=torch.float64) * 2 - 1
    astray: Tensor = truth.right + signs * truth.sizes.unsqueeze(1) * (error / shape[1] ** 0.5)
    return astray.to(torch.bfloat16)


SPOILS: Mapping[str, Spoil] = {
    "finite": _finite,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
