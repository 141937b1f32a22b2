"""Laws of the vectors that are rotated and quantised."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case
from evaluators.kernels.tasks.laws import OUTLIER_SHARE, generator

Shape = tuple[int, ...]
Law = Callable[[Shape, Generator], Tensor]

POWERS = 40
"""Rows of the law ``scaled`` are as large as 2 to a power of this size, up or down."""


def vectors(case: Case, number: int, device: str) -> Tensor:
    """Vectors of the form that the call asks for; every value is one of bf16."""
    form = case.call.tensors["x"]
    random = generator(case, number, device)
    drawn = _mixed(form.shape, random) if case.law == "mixed" else VECTORS[case.law](form.shape, random)
    return drawn.to(torch.bfloat16).to(getattr(torch, form.dtype))


def signs(first: Tensor, second: Tensor) -> Tensor:
    """Elements of Sylvester's Hadamard matrix: -1 to the number of ones in ``first & second``, below 2**7."""
    ones = first & second
    for half in (4, 2, 1):
        ones = ones ^ (ones >> half)
    return 1 - 2 * (ones & 1)


def _normal(shape: Shape, random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device)


def _uniform(shape: Shape, random: Generator) -> Tensor:
    return torch.rand(shape, generator=random, device=random.device)


def _whole(shape: Shape, random: Generator, least: int, most: int) -> Tensor:
    return torch.randint(least, most + 1, shape, generator=random, device=random.device)


def _vectors(shape: Shape, random: Generator) -> Tensor:
    """Normal directions, log-normal lengths."""
    return _normal(shape, random) * _normal((shape[0], 1), random).mul(0.5).exp()


def _cache(shape: Shape, random: Generator) -> Tensor:
    """As keys are: every channel with a mean and a size of its own, a few channels far beyond the others."""
    channels = (1, shape[1])
    large = torch.where(_uniform(channels, random) < 1 / 32, 12.0, 1.0)
    sizes = _normal(channels, random).mul(0.4).exp() * large
    return (_normal(shape, random) + _normal(channels, random)) * sizes


def _scaled(shape: Shape, random: Generator) -> Tensor:
    return _normal(shape, random) * torch.exp2(_whole((shape[0], 1), random, -POWERS, POWERS).float())


def _shifted(shape: Shape, random: Generator) -> Tensor:
    """All that is large is one element of the rotated vector."""
    return _normal(shape, random) + 3.0


def _outliers(shape: Shape, random: Generator) -> Tensor:
    rare = _uniform(shape, random) < OUTLIER_SHARE
    drawn = _normal(shape, random)
    return torch.where(rare, drawn * 4096, drawn)


def _binary(shape: Shape, random: Generator) -> Tensor:
    """Of 0 and 1: many quotients lie half-way."""
    return (_uniform(shape, random) < 0.5).float()


def _integers(shape: Shape, random: Generator) -> Tensor:
    return _whole(shape, random, -8, 8).float()


def _zeros(shape: Shape, random: Generator) -> Tensor:
    """A third of the rows is 0, and half of the values in the others."""
    kept = (_uniform(shape, random) < 0.5) & (_uniform((shape[0], 1), random) < 2 / 3)
    return _normal(shape, random) * kept


def _one_hot(shape: Shape, random: Generator) -> Tensor:
    """One value of a row: all of its rotated elements have one size."""
    at = _whole((shape[0], 1), random, 0, shape[1] - 1)
    return torch.zeros(shape, device=random.device).scatter(1, at, _normal((shape[0], 1), random))


def _walsh(shape: Shape, random: Generator) -> Tensor:
    """A row of the matrix, and some noise: the largest rotated element may lie anywhere."""
    at = _whole((shape[0], 1), random, 0, shape[1] - 1)
    waves = signs(torch.arange(shape[1], device=random.device)[None, :], at)
    return waves * _normal((shape[0], 1), random).mul(4.0) + _normal(shape, random).mul(0.25)


def _equal(shape: Shape, random: Generator) -> Tensor:
    return _normal((shape[0], 1), random).expand(shape).contiguous()


VECTORS: dict[str, Law] = {
    "vectors": _vectors,
    "cache": _cache,
    "scaled": _scaled,
    "shifted": _shifted,
    "outliers": _outliers,
    "binary": _binary,
    "integers": _integers,
    "zeros": _zeros,
    "one_hot": _one_hot,
    "walsh": _walsh,
    "equal": _equal,
}


def _mixed(shape: Shape, random: Generator) -> Tensor:
    """Every row by a law of its own."""
    which = _whole((shape[0], 1), random, 0, len(VECTORS) - 1)
    mixed = torch.zeros(shape, device=random.device)
    for number, law in enumerate(VECTORS.values()):
        mixed = torch.where(which == number, law(shape, random), mixed)
    return mixed
