"""Laws of the experts' arguments: tokens, weights of the experts, routing, and the weights that a router gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.laws import OUTLIER_SHARE, generator

ZIPF, STEEP = 1.0, 2.0
"""Exponents of popularity by rank."""

RUN = 8
"""Tokens in a row that want the same experts, in `bursty` contents: those of one sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What is to be routed, and what to draw it with."""

    tokens: int
    experts: int
    k: int
    random: Generator

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, device=self.random.device)

    def gumbel(self) -> Tensor:
        """Noise of which the k largest, added to log popularities, are a draw of k without putting back."""
        noise = torch.rand((self.tokens, self.experts), generator=self.random, device=self.random.device)
        return -torch.log(-torch.log(noise.clamp(1e-7, 1 - 1e-7)))

    def order(self) -> Tensor:
        """The experts in a random order."""
        return torch.randperm(self.experts, generator=self.random, device=self.random.device)

    def best(self, scores: Tensor) -> Tensor:
        """The k best of every token, all different."""
        return torch.topk(scores, self.k, dim=1).indices


def contents(case: Case, number: int, device: str) -> Tensors:
    """Fresh arguments of the forms that the call asks for.

    Weights of experts are normal and so scaled that the sizes of hidden numbers stay those of the token.
    """
    values, routed, weighted = LAWS[case.law]
    forms = case.call.tensors
    random = generator(case, number, device)
    (tokens, k), (experts, hidden, inner) = forms["ids"].shape, forms["w2"].shape
    size = _Size(tokens=tokens, experts=experts, k=k, random=random)
    ids = routed(size)
    return {
        "x": values(forms["x"].shape, random),
        "w13": _weights(forms["w13"].shape, hidden, random),
        "w2": _weights(forms["w2"].shape, inner, random),
        "weights": weighted(size).contiguous(),
        "ids": ids.to(torch.int32).contiguous(),
    }


def _weights(shape: tuple[int, ...], summands: int, random: Generator) -> Tensor:
    """In one pass and without a float32 copy, since there are up to 1.6 GB of them."""
    return torch.empty(shape, dtype=torch.bfloat16, device=random.device).normal_(0.0, summands**-0.5, generator=random)


def _normal(shape: tuple[int, ...], random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device).to(torch.bfloat16)


def _scaled(shape: tuple[int, ...], random: Generator) -> Tensor:
    powers = torch.randint(-5, 6, (shape[0], 1), generator=random, device=random.device)
    return _normal(shape, random) * torch.exp2(powers.float()).to(torch.bfloat16)


def _shifted(shape: tuple[int, ...], random: Generator) -> Tensor:
    return _normal(shape, random) + 3.0


def _outliers(shape: tuple[int, ...], random: Generator) -> Tensor:
    """A few so large that the exponential of a gate overflows float32, in either direction."""
    rare = torch.rand(shape, generator=random, device=random.device) < OUTLIER_SHARE
    drawn = _normal(shape, random)
    return torch.where(rare, drawn * 1024, drawn)


def _binary(shape: tuple[int, ...], random: Generator) -> Tensor:
    return (torch.rand(shape, generator=random, device=random.device) < 0.5).to(torch.bfloat16)


def _some_zero(shape: tuple[int, ...], random: Generator) -> Tensor:
    """Every seventh token or so is 0."""
    kept = torch.rand((shape[0], 1), generator=random, device=random.device) < 6 / 7
    return _normal(shape, random) * kept


def _equal(shape: tuple[int, ...], random: Generator) -> Tensor:
    return _normal((1, shape[1]), random).expand(shape).contiguous()


def _uniform(size: _Size) -> Tensor:
    return size.best(size.gumbel())


def _by_rank(size: _Size, exponent: float) -> Tensor:
    """Popularity falls as a power of the rank, in a random order of the experts."""
    return size.best(size.gumbel() - exponent * torch.log((size.order() + 1).float()))


def _zipf(size: _Size) -> Tensor:
    return _by_rank(size, ZIPF)


def _steep(size: _Size) -> Tensor:
    return _by_rank(size, STEEP)


def _bursty(size: _Size) -> Tensor:
    """Neighbours want the same: one sequence after the other."""
    runs = -(-size.tokens // RUN)
    wanted = size.normal(runs, size.experts).repeat_interleave(RUN, dim=0)[: size.tokens]
    return size.best(2.0 * wanted + 0.5 * size.normal(size.tokens, size.experts))


def _few(size: _Size) -> Tensor:
    """The same k experts for all, in another order for each."""
    used = size.order()[: size.k]
    return used[torch.rand((size.tokens, size.k), generator=size.random, device=size.random.device).argsort(dim=1)]


def _one_expert(size: _Size) -> Tensor:
    """One expert has every token, all others what is left."""
    scores = size.gumbel()
    scores[:, size.order()[:1]] += 1000.0
    return size.best(scores)


def _ends(size: _Size) -> Tensor:
    """The first and the last experts alone: k of the first k and the last k."""
    place = torch.arange(size.experts, device=size.random.device)
    inside = (place >= size.k) & (place < size.experts - size.k)
    return size.best(size.gumbel() - 1000.0 * inside)


def _round_robin(size: _Size) -> Tensor:
    start = int(size.order()[0])
    places = torch.arange(size.tokens * size.k, device=size.random.device).view(size.tokens, size.k)
    return (places + start) % size.experts


def _router(size: _Size) -> Tensor:
    """Softmax over the chosen, falling."""
    return torch.softmax(size.normal(size.tokens, size.k), dim=1).sort(dim=1, descending=True).values


def _not_normalised(size: _Size) -> Tensor:
    """Softmax over all, of which the chosen have a part."""
    return _router(size) * 0.4


def _some_weights_zero(size: _Size) -> Tensor:
    """A third of the weights is 0, and all of every fifth token's."""
    kept = torch.rand((size.tokens, size.k), generator=size.random, device=size.random.device) < 2 / 3
    tokens = torch.rand((size.tokens, 1), generator=size.random, device=size.random.device) < 4 / 5
    return _router(size) * (kept & tokens)


def _signed(size: _Size) -> Tensor:
    return size.normal(size.tokens, size.k)


def _one_hot(size: _Size) -> Tensor:
    weights = torch.zeros((size.tokens, size.k), device=size.random.device)
    chosen = torch.randint(size.k, (size.tokens, 1), generator=size.random, device=size.random.device)
    return weights.scatter(1, chosen, 1.0)


def _mean(size: _Size) -> Tensor:
    return torch.full((size.tokens, size.k), 1 / size.k, device=size.random.device)


Values = Callable[[tuple[int, ...], Generator], Tensor]
Routing = Callable[[_Size], Tensor]

LAWS: dict[str, tuple[Values, Routing, Routing]] = {
    "uniform": (_normal, _uniform, _router),
    "zipf": (_normal, _zipf, _router),
    "few": (_normal, _few, _router),
    "one_expert": (_scaled, _one_expert, _router),
    "zeros": (_some_zero, _uniform, _some_weights_zero),
    "outliers": (_outliers, _uniform, _router),
    "signed": (_normal, _round_robin, _signed),
    "ends": (_binary, _ends, _router),
    "shifted": (_shifted, _zipf, _not_normalised),
    "equal": (_equal, _few, _mean),
    "one_hot": (_normal, _uniform, _one_hot),
    "bursty": (_normal, _bursty, _router),
    "steep": (_normal, _steep, _router),
}
"""Values of tokens, routing and its weights, by name."""
