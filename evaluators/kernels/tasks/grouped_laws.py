"""Laws of logits and bias of grouped gating."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.laws import LOGITS, generator

Shape = tuple[int, ...]
Law = Callable[[Shape, Generator], Tensor]

LARGEST_LOGIT = 24.0
"""Beyond this a sigmoid is 1 in float32; and a small constant that a library adds to sums of scores does not show."""


def contents(case: Case, number: int, device: str) -> Tensors:
    """Fresh logits and bias of the forms that the call asks for; every logit is one of bf16."""
    random = generator(case, number, device)
    logits, bias = LAWS[case.law]
    form = case.call.tensors["logits"]
    drawn = logits(form.shape, random).clamp_(-LARGEST_LOGIT, LARGEST_LOGIT)
    return {
        "logits": drawn.to(torch.bfloat16).to(getattr(torch, form.dtype)),
        "bias": bias(case.call.tensors["bias"].shape, random),
    }


def _normal(shape: Shape, random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device)


def _uniform(shape: Shape, random: Generator) -> Tensor:
    return torch.rand(shape, generator=random, device=random.device)


def _scaled(shape: Shape, random: Generator) -> Tensor:
    return _normal(shape, random) * (_uniform((shape[0], 1), random) * 5 + 1)


def _low(shape: Shape, random: Generator) -> Tensor:
    return _normal(shape, random) - 3.0


def _deep(shape: Shape, random: Generator) -> Tensor:
    """Scores of 1e-10 to 1e-5: what counts is their ratio."""
    return _uniform(shape, random) * -12.0 - 12.0


def _saturated(shape: Shape, random: Generator) -> Tensor:
    """Scores that float32 can hardly tell from 1."""
    return _normal(shape, random) * 4 + 16.0


def _peaks(shape: Shape, random: Generator) -> Tensor:
    """One high logit in some stretches of experts, several middling ones in others."""
    stretch = max(1, shape[1] // 8)
    many = _uniform((shape[0], 8), random).repeat_interleave(stretch, dim=1)[:, : shape[1]]
    many = torch.nn.functional.pad(many, (0, shape[1] - many.shape[1]))
    rare = _uniform(shape, random) < 1 / stretch
    return torch.where(many < 0.5, torch.where(rare, 3.0, -4.0), 0.5) + _normal(shape, random) * 0.2


ROWS: dict[str, Law] = {
    "router": LOGITS["router"],
    "normal": _normal,
    "scaled": _scaled,
    "low": _low,
    "deep": _deep,
    "saturated": _saturated,
    "peaks": _peaks,
    "binary": LOGITS["binary"],
    "one_hot": LOGITS["one_hot"],
    "equal": LOGITS["equal"],
}


def _mixed(shape: Shape, random: Generator) -> Tensor:
    """Every row by a law of its own."""
    which = torch.randint(len(ROWS), (shape[0], 1), generator=random, device=random.device)
    mixed = torch.zeros(shape, device=random.device)
    for number, law in enumerate(ROWS.values()):
        mixed = torch.where(which == number, law(shape, random), mixed)
    return mixed


def _none(shape: Shape, random: Generator) -> Tensor:
    return torch.zeros(shape, device=random.device)


def _small(shape: Shape, random: Generator) -> Tensor:
    """As a balanced router's: it moves choices between experts of similar scores."""
    return _normal(shape, random) * 0.05


def _steps(shape: Shape, random: Generator) -> Tensor:
    """-1/16, 0 and 1/16: it leaves ties."""
    return _normal(shape, random).round().clamp_(-1.0, 1.0) / 16


def _wide(shape: Shape, random: Generator) -> Tensor:
    """Far larger than the scores: the same experts for nearly all tokens."""
    return _uniform(shape, random) * 4 - 2


def _below(shape: Shape, random: Generator) -> Tensor:
    """Every biased score is negative."""
    return _normal(shape, random) * 0.1 - 3.0


LAWS: dict[str, tuple[Law, Law]] = {
    "router": (ROWS["router"], _small),
    "mixed": (_mixed, _steps),
    "normal": (_normal, _small),
    "scaled": (_scaled, _small),
    "unbiased": (ROWS["router"], _none),
    "biased": (_normal, _wide),
    "negative": (_low, _below),
    "deep": (_deep, _none),
    "saturated": (_saturated, _none),
    "peaks": (_peaks, _none),
    "binary": (ROWS["binary"], _none),
    "one_hot": (ROWS["one_hot"], _none),
    "equal": (ROWS["equal"], _none),
}
