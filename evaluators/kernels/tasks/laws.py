"""Laws of contents: fresh tensors on the device, drawn from a case's seed and the number of the draw."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case
from evaluators.kernels.tasks.sizes import draw_seed

Shape = tuple[int, ...]
Law = Callable[[Shape, Generator], Tensor]

OUTLIER_SHARE = 1 / 512


def generator(case: Case, number: int, device: str) -> Generator:
    """The generator of one draw, on the device."""
    return torch.Generator(device).manual_seed(draw_seed(case.seed, number))


def logits(case: Case, number: int, device: str) -> Tensor:
    """Logits of a router, of the form that the call asks for; every value is one of bf16."""
    form = case.call.tensors["logits"]
    random = generator(case, number, device)
    drawn = _mixed(form.shape, random) if case.law == "mixed" else LOGITS[case.law](form.shape, random)
    return drawn.to(torch.bfloat16).to(getattr(torch, form.dtype))


def _normal(shape: Shape, random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device)


def _uniform(shape: Shape, random: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.rand(shape, generator=random, device=random.device) * (high - low) + low


def _router(shape: Shape, random: Generator) -> Tensor:
    """Popular and unpopular experts, confident and undecided tokens."""
    tokens, experts = shape
    popular = _normal((1, experts), random) * 0.7
    confident = _uniform((tokens, 1), random, 0.5, 2.5)
    return _normal(shape, random) * confident + popular


def _scaled(shape: Shape, random: Generator) -> Tensor:
    return _normal(shape, random) * _uniform((shape[0], 1), random, 4.0, 16.0)


def _shifted(shape: Shape, random: Generator) -> Tensor:
    """So large that exp overflows float32 unless the largest is subtracted first."""
    return _normal(shape, random) + _uniform((shape[0], 1), random, 90.0, 300.0)


def _negative(shape: Shape, random: Generator) -> Tensor:
    """So far below 0 that exp underflows unless the largest is subtracted first."""
    return _normal(shape, random) * 4 - _uniform((shape[0], 1), random, 150.0, 2000.0)


def _outliers(shape: Shape, random: Generator) -> Tensor:
    """A few huge ones of either sign."""
    rare = _uniform(shape, random) < OUTLIER_SHARE
    return torch.where(rare, _normal(shape, random) * 200, _normal(shape, random))


def _binary(shape: Shape, random: Generator) -> Tensor:
    return (_uniform(shape, random) < 0.5).float()


def _one_hot(shape: Shape, random: Generator) -> Tensor:
    tokens, experts = shape
    chosen = torch.randint(experts, (tokens, 1), generator=random, device=random.device)
    zeros = torch.zeros(shape, device=random.device)
    return zeros.scatter(1, chosen, _uniform((tokens, 1), random, 1.0, 24.0))


def _equal(shape: Shape, random: Generator) -> Tensor:
    return _normal((shape[0], 1), random).expand(shape).contiguous()


LOGITS: dict[str, Law] = {
    "normal": _normal,
    "router": _router,
    "scaled": _scaled,
    "shifted": _shifted,
    "negative": _negative,
    "outliers": _outliers,
    "binary": _binary,
    "one_hot": _one_hot,
    "equal": _equal,
}


def _mixed(shape: Shape, random: Generator) -> Tensor:
    """Every row by a law of its own."""
    which = torch.randint(len(LOGITS), (shape[0], 1), generator=random, device=random.device)
    mixed = torch.zeros(shape, device=random.device)
    for number, law in enumerate(LOGITS.values()):
        mixed = torch.where(which == number, law(shape, random), mixed)
    return mixed
