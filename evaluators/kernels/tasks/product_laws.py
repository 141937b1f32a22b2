"""Laws of the two axes that a product-key router adds up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks import laws

Shape = tuple[int, ...]
Law = Callable[[Shape, Generator], tuple[Tensor, Tensor]]


def contents(case: Case, number: int, device: str) -> Tensors:
    """Scores of both axes, of the forms that the call asks for; every value is one of bf16."""
    form = case.call.tensors["a"]
    random = laws.generator(case, number, device)
    a, b = _mixed(form.shape, random) if case.law == "mixed" else LAWS[case.law](form.shape, random)
    dtype = getattr(torch, form.dtype)
    return {name: axis.to(torch.bfloat16).to(dtype).contiguous() for name, axis in (("a", a), ("b", b))}


def _normal(shape: Shape, random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device)


def _alike(name: str) -> Law:
    """Both axes by a law of a router's logits."""
    law = laws.LOGITS[name]

    def draw(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
        return law(shape, random), law(shape, random)

    return draw


def _grid(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
    """The same few whole numbers on both axes, in random order: the best pairs form a staircase of ties."""
    steps = -torch.arange(shape[1], device=random.device).float()
    a, b = (steps[torch.rand(shape, generator=random, device=random.device).argsort(dim=1)] for _ in range(2))
    return a, b


def _steep(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
    """One axis decides: every best pair shares its row, or its column, by turns."""
    large, small = _normal(shape, random) * 64, _normal(shape, random) / 64
    swap = (torch.arange(shape[0], device=random.device) % 2 == 1)[:, None]
    return torch.where(swap, small, large), torch.where(swap, large, small)


def _absorbed(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
    """One axis so large that float32 loses most of the other: sums that differ tie after rounding."""
    return torch.round(_normal(shape, random)) * 2.0**22, _normal(shape, random)


def _cancelling(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
    """Large axes of opposite signs: sums are few whole numbers, and most of them tie."""
    far = 200.0 * (1 + torch.rand((shape[0], 1), generator=random, device=random.device))
    return _normal(shape, random) + far, _normal(shape, random) - far


LAWS: dict[str, Law] = {
    **{
        name: _alike(name)
        for name in ("normal", "equal", "router", "outliers", "one_hot", "binary", "negative", "scaled")
    },
    "grid": _grid,
    "steep": _steep,
    "absorbed": _absorbed,
    "cancelling": _cancelling,
}


def _mixed(shape: Shape, random: Generator) -> tuple[Tensor, Tensor]:
    """Every row by a law of its own."""
    which = torch.randint(len(LAWS), (shape[0], 1), generator=random, device=random.device)
    a, b = torch.zeros(shape, device=random.device), torch.zeros(shape, device=random.device)
    for number, law in enumerate(LAWS.values()):
        drawn_a, drawn_b = law(shape, random)
        a, b = torch.where(which == number, drawn_a, a), torch.where(which == number, drawn_b, b)
    return a, b
