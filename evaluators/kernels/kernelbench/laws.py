"""How the judge draws what a file's ``get_inputs`` leaves to chance, and weights: fresh, and by more laws than one.

A law changes the random numbers that ``get_inputs`` begins with, never what it makes of them: a triangular matrix stays
triangular, probabilities still add up to 1. So a program may rely on what every call of ``get_inputs`` has in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from evaluators.kernels.kernelbench.operators import DRAWS, POINTWISE, VIEWS
from evaluators.kernels.kernelbench.trace import Node, Trace, parameter_of
from evaluators.kernels.tasks.sizes import draw_seed

OWN = "own"
"""The file's own law."""

OUTLIER_SHARE = 1 / 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """How a weight is drawn.

    Args:
        constant: the number that the file fills it with, about which it is drawn: the file's ones and zeros would let a
            program leave it out; None where the file draws it.
        spread: standard deviation where the file draws it.
    """

    constant: float | None
    spread: float


def contents(
    trace: Trace, weights: Mapping[str, Weight], law: str, seed: int, number: int, device: str
) -> dict[str, Tensor]:
    """Fresh tensors of the forms of ``trace.tensors``.

    Args:
        trace: what to draw for.
        weights: how weights are drawn, by name.
        law: one of `LAWS`.
        seed: of the case.
        number: of the draw.
        device: where.
    """
    random = torch.Generator(device).manual_seed(draw_seed(seed, number))
    change = LAWS[law]
    drawn = trace.draw(lambda node, where: _leaf(node, change, random, where), device)
    for name, form in trace.weights.items():
        noise = torch.randn(form.shape, generator=random, device=device)
        drawn[parameter_of(name)] = _weight(weights[name], noise).to(getattr(torch, form.dtype))
    return drawn


def has_structure(trace: Trace) -> bool:
    """Whether ``get_inputs`` may leave something of which a program can make use: zeros, symmetry, sums of 1."""
    read = [number for node in trace.drawing for number in node.reads]
    plain = DRAWS | VIEWS | POINTWISE
    return len(set(read)) < len(read) or any(node.operator not in plain for node in trace.drawing)


def _weight(weight: Weight, noise: Tensor) -> Tensor:
    if weight.constant is None:
        return noise * weight.spread
    if weight.constant == 0:
        return noise * 0.5
    return weight.constant * (1 + 0.4 * torch.tanh(noise))  # stays on its side of zero, as a variance must


def _leaf(node: Node, change: Callable[[Tensor, Generator, bool], Tensor], random: Generator, device: str) -> Tensor:
    form = node.results[0]
    dtype = getattr(torch, form.dtype)
    if node.operator.startswith("randint"):
        whole = [value for value in node.arguments if isinstance(value, int)]
        low, high = (whole[0], whole[1]) if "low" in node.overload else (0, whole[0])
        return torch.randint(low, high, form.shape, generator=random, device=device).to(dtype)
    is_uniform = node.operator.startswith("rand") and not node.operator.startswith("randn")
    make = torch.rand if is_uniform else torch.randn
    return change(make(form.shape, generator=random, device=device), random, is_uniform).to(dtype)


def _rows(drawn: Tensor, random: Generator) -> Tensor:
    """One uniform number for each index of all axes but the last."""
    return torch.rand((*drawn.shape[:-1], 1)[: drawn.dim()], generator=random, device=drawn.device)


def _own(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    del random, is_uniform
    return drawn


def _scaled(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    """Rows of very different sizes; uniform ones stay below 1."""
    return drawn * torch.exp2(_rows(drawn, random) * (8 if is_uniform else 10) - (8 if is_uniform else 5))


def _shifted(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    """Far from zero mean, each row by its own: high in [0, 1), or several standard deviations off."""
    if is_uniform:
        low = 0.9 * _rows(drawn, random)
        return low + (1 - low) * drawn * (1 - 2**-20)
    return drawn + 6 * _rows(drawn, random) - 1


def _outliers(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    """A few that are a hundred times as large as the rest."""
    rare = torch.rand(drawn.shape, generator=random, device=drawn.device) < OUTLIER_SHARE
    return torch.where(rare, drawn, drawn / 100) if is_uniform else torch.where(rare, drawn * 100, drawn)


def _binary(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    """Two values alone, so that sums are exact and ties are many."""
    del random
    return torch.where(drawn < 0.5, 0.25, 0.75) if is_uniform else torch.where(drawn < 0, -1.0, 1.0)


def _sparse(drawn: Tensor, random: Generator, is_uniform: bool) -> Tensor:
    """Mostly zeros."""
    del is_uniform
    return drawn * (torch.rand(drawn.shape, generator=random, device=drawn.device) < 0.2)


LAWS: dict[str, Callable[[Tensor, Generator, bool], Tensor]] = {
    OWN: _own,
    "scaled": _scaled,
    "shifted": _shifted,
    "outliers": _outliers,
    "binary": _binary,
    "sparse": _sparse,
}
"""By name; those under which a file's outputs are finite and can be judged are used, see `lint`."""
