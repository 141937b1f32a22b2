"""Right outputs of rotated and quantised vectors made wrong, each so that one check alone stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks import hadamard_judge
from evaluators.kernels.tasks.spoils import any_of

HALF_WAY = 0.5
LEAST_ROWS = 64


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents
    codes, scale = outputs
    spoiled = scale.clone()
    spoiled[any_of(len(scale), random)] = float("nan")
    return codes, spoiled


def _scale(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One scale off by twice what it may be: too little to show in all of them."""
    codes, scale = outputs
    right = hadamard_judge.truth(_enough(contents["x"]))
    row = any_of(len(scale), random)
    spoiled = scale.clone()
    spoiled[row] = right.scale[row] * (1 + 2 * right.element[row])
    return codes, spoiled


def _global(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Every scale off by a little less than it may be, one up, the next down."""
    del random
    right = hadamard_judge.truth(_enough(contents["x"]))
    off_by = HALF_WAY * (right.element + right.overall)
    # In the order of their sizes, so that what goes up and what goes down cancel.
    order = off_by.argsort()
    off_by[order[::2]] *= -1.0
    return outputs[0], (right.scale * (1 + off_by)).float()


def _bias(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """All scales too large by the same, less than they may be off as a whole."""
    del random
    right = hadamard_judge.truth(_enough(contents["x"]))
    return outputs[0], (right.scale * (1 + HALF_WAY * (right.bias + right.overall))).float()


def _code(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One code the second nearest, where the nearest is hardly nearer."""
    codes = hadamard_judge.codes_of(outputs[0])
    right = hadamard_judge.truth(_enough(contents["x"]))
    nearest = right.steps.round()
    beside = (right.steps - nearest).abs()
    near_half = (beside > 0.4) & (beside < HALF_WAY - 2 * right.slack[:, None])
    places = near_half.flatten().nonzero().flatten()
    at = int(places[any_of(len(places), random)])
    towards = int(torch.sign(right.steps - nearest).flatten()[at])
    spoiled = codes.clone()
    spoiled.view(-1)[at] = int(nearest.flatten()[at]) + towards
    return hadamard_judge.packed_of(spoiled), outputs[1]


def _enough(x: Tensor) -> Tensor:
    """The vectors, if they are so many that one is little beside all and codes near half-way are among them.

    Raises:
        ValueError: they are not.
    """
    if len(x) < LEAST_ROWS or not bool(x.any(dim=1).all()):
        raise ValueError(f"fewer than {LEAST_ROWS} vectors, or some of zeros: spoil those of the audit case")
    return x


SPOILS: Mapping[str, Spoil] = {
    "finite": _finite,
    "scale": _scale,
    "global": _global,
    "bias": _bias,
    "code": _code,
}
