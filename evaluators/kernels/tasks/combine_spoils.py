"""Right outputs of the weighted sum made wrong, each so that one check alone stands against it.

An element of bf16 can be rounded to either neighbour; the worse one is off by half a unit to one unit in the last
place, which an element alone may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks import combine_judge
from evaluators.kernels.tasks.spoils import any_of


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents
    spoiled = outputs[0].clone()
    spoiled.flatten()[any_of(spoiled.numel(), random)] = float("inf")
    return (spoiled,)


def _element(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One element of middling size off by a twentieth."""
    del contents
    spoiled = outputs[0].clone()
    row = spoiled[any_of(len(spoiled), random)]
    row[row.abs().argsort()[len(row) // 2]] *= 1.05
    return (spoiled,)


def _row(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One row rounded to the worse neighbours."""
    spoiled = outputs[0].clone()
    row = any_of(len(spoiled), random)
    spoiled[row] = _worse(spoiled, contents)[row]
    return (spoiled,)


def _global(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A sixth of all elements rounded to the worse neighbour."""
    output = outputs[0]
    some = torch.rand(output.shape, generator=random, device=output.device) < 1 / 6
    return (torch.where(some, _worse(output, contents), output),)


def _bias(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A sixteenth of the elements that were rounded towards 0 rounded to the worse neighbour, away from 0."""
    output = outputs[0]
    right = combine_judge.truth(contents).right
    some = torch.rand(output.shape, generator=random, device=output.device) < 1 / 16
    return (torch.where(some & (output.double().abs() < right.abs()), _worse(output, contents), output),)


def _worse(output: Tensor, contents: Tensors) -> Tensor:
    """The other neighbour of what is right; a rounded value that is exact stays."""
    right = combine_judge.truth(contents).right
    towards = torch.sign(right - output.double()).to(output.dtype) * float("inf")
    return torch.where(towards.isnan(), output, torch.nextafter(output, towards))


SPOILS: Mapping[str, Spoil] = {
    "finite": _finite,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
