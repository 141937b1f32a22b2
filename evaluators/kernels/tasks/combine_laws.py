"""Laws of the arguments of the weighted sum: values of rows, weights, and which row belongs to whom."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.laws import OUTLIER_SHARE, generator

EXPERTS_PER_CHOICE = 16
"""Tokens choose k of this many times k experts, as in models of today."""


def contents(case: Case, number: int, device: str) -> Tensors:
    """Fresh arguments of the forms that the call asks for; every value of a row is one of bf16."""
    values, weighted, ordered = LAWS[case.law]
    random = generator(case, number, device)
    form = case.call.tensors["expert_out"]
    tokens, k = case.call.tensors["row_of"].shape
    scores, experts = _route(tokens, k, random, skew=4.0 if ordered is _routed_to_one else 0.7)
    return {
        "expert_out": values(form.shape, random).to(torch.bfloat16).to(getattr(torch, form.dtype)),
        "row_of": ordered(experts, random).view(tokens, k).to(torch.int32),
        "weights": weighted(scores, random),
    }


def _route(tokens: int, k: int, random: Generator, *, skew: float) -> tuple[Tensor, Tensor]:
    """Scores of the chosen experts (falling, not renormalised) and their ids, ``[tokens, k]`` each."""
    experts = EXPERTS_PER_CHOICE * k
    popular = torch.randn((1, experts), generator=random, device=random.device) * skew
    logits = torch.randn((tokens, experts), generator=random, device=random.device) * 1.5 + popular
    chosen = torch.topk(torch.softmax(logits, dim=1), k, dim=1)
    return chosen.values.contiguous(), chosen.indices


def _normal(shape: tuple[int, ...], random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device, dtype=torch.bfloat16)


def _scaled(shape: tuple[int, ...], random: Generator) -> Tensor:
    powers = torch.randint(-6, 7, (shape[0], 1), generator=random, device=random.device)
    return _normal(shape, random).mul_(torch.exp2(powers.float()).to(torch.bfloat16))


def _shifted(shape: tuple[int, ...], random: Generator) -> Tensor:
    return _normal(shape, random).add_(3.0)


def _outliers(shape: tuple[int, ...], random: Generator) -> Tensor:
    rare = torch.rand(shape, generator=random, device=random.device) < OUTLIER_SHARE
    drawn = _normal(shape, random)
    return torch.where(rare, drawn * 4096, drawn)


def _binary(shape: tuple[int, ...], random: Generator) -> Tensor:
    return (torch.rand(shape, generator=random, device=random.device) < 0.5).to(torch.bfloat16)


def _equal(shape: tuple[int, ...], random: Generator) -> Tensor:
    return _normal((shape[0], 1), random).expand(shape).contiguous()


def _scores(scores: Tensor, random: Generator) -> Tensor:
    del random
    return scores


def _zeros(scores: Tensor, random: Generator) -> Tensor:
    """A third of the weights is 0, and all of every fifth token's."""
    kept = torch.rand(scores.shape, generator=random, device=random.device) < 2 / 3
    tokens = torch.rand((scores.shape[0], 1), generator=random, device=random.device) < 4 / 5
    return scores * (kept & tokens)


def _signed(scores: Tensor, random: Generator) -> Tensor:
    return torch.randn(scores.shape, generator=random, device=random.device)


def _one_hot(scores: Tensor, random: Generator) -> Tensor:
    weights = torch.zeros_like(scores)
    chosen = torch.randint(scores.shape[1], (scores.shape[0], 1), generator=random, device=random.device)
    return weights.scatter(1, chosen, 1.0)


def _mean(scores: Tensor, random: Generator) -> Tensor:
    del random
    return torch.full_like(scores, 1 / scores.shape[1])


def _routed(experts: Tensor, random: Generator) -> Tensor:
    """Rows lie sorted by expert, and by token within an expert, as after a grouped matrix product."""
    del random
    order = torch.argsort(experts.flatten(), stable=True)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))


def _routed_to_one(experts: Tensor, random: Generator) -> Tensor:
    return _routed(experts, random)


def _shuffled(experts: Tensor, random: Generator) -> Tensor:
    return torch.randperm(experts.numel(), generator=random, device=random.device)


def _identity(experts: Tensor, random: Generator) -> Tensor:
    return torch.arange(experts.numel(), device=random.device)


def _reversed(experts: Tensor, random: Generator) -> Tensor:
    return _identity(experts, random).flip(0)


Values = Callable[[tuple[int, ...], Generator], Tensor]
Weights = Callable[[Tensor, Generator], Tensor]
Rows = Callable[[Tensor, Generator], Tensor]

LAWS: dict[str, tuple[Values, Weights, Rows]] = {
    "router": (_normal, _scores, _routed),
    "normal": (_normal, _scores, _shuffled),
    "scaled": (_scaled, _scores, _routed),
    "shifted": (_shifted, _scores, _identity),
    "outliers": (_outliers, _scores, _routed),
    "binary": (_binary, _scores, _reversed),
    "equal": (_equal, _mean, _identity),
    "one_hot": (_normal, _one_hot, _routed),
    "zeros": (_normal, _zeros, _routed),
    "signed": (_normal, _signed, _reversed),
    "one_expert": (_normal, _scores, _routed_to_one),
}
