"""Laws of the ids that `moe_align` sorts: how popular experts are, and in which order their rows come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Case
from evaluators.kernels.tasks.laws import generator

ZIPF = 1.2
RUN = 32
"""Tokens in a row that want the same experts, in `bursty` contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What a law has to draw, and what it draws with."""

    tokens: int
    k: int
    experts: int
    block: int
    random: Generator

    @property
    def rows(self) -> int:
        return self.tokens * self.k

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, device=self.random.device)

    def whole(self, high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=self.random, device=self.random.device)

    def order(self, count: int) -> Tensor:
        return torch.randperm(count, generator=self.random, device=self.random.device)

    def count_up(self) -> Tensor:
        return torch.arange(self.rows, device=self.random.device)


Law = Callable[[_Size], Tensor]


def ids(case: Case, number: int, device: str) -> Tensor:
    """Ids of the form that the call asks for, int32 ``[tokens, k]``, each in ``0 .. experts - 1``."""
    tokens, k = case.call.tensors["ids"].shape
    size = _Size(
        tokens=tokens,
        k=k,
        experts=int(case.call.scalars["num_experts"]),
        block=int(case.call.scalars["block"]),
        random=generator(case, number, device),
    )
    return LAWS[case.law](size).reshape(tokens, k).to(torch.int32).contiguous()


def _best(logits: Tensor, size: _Size) -> Tensor:
    """The k best of every token: as of a router, all different."""
    return torch.topk(logits, size.k, dim=1).indices


def _uniform(size: _Size) -> Tensor:
    return _best(size.normal(size.tokens, size.experts), size)


def _router(size: _Size) -> Tensor:
    """Popular and unpopular experts; the busiest of 64 or 128 has three to six times the mean, as in real models."""
    return _best(size.normal(size.tokens, size.experts) + 0.5 * size.normal(1, size.experts), size)


def _zipf(size: _Size) -> Tensor:
    """Popularity falls as a power of the rank, in a random order of the experts (Gumbel top-k)."""
    ranks = size.order(size.experts) + 1
    noise = torch.rand((size.tokens, size.experts), generator=size.random, device=size.random.device)
    gumbel = -torch.log(-torch.log(noise.clamp(1e-7, 1 - 1e-7)))
    return _best(gumbel - ZIPF * torch.log(ranks.float()), size)


def _bursty(size: _Size) -> Tensor:
    """Neighbours want the same: one sequence after the other, as in a batch of prompts."""
    runs = -(-size.tokens // RUN)
    wanted = size.normal(runs, size.experts).repeat_interleave(RUN, dim=0)[: size.tokens]
    return _best(2.0 * wanted + 0.5 * size.normal(size.tokens, size.experts), size)


def _few(size: _Size) -> Tensor:
    """Only k + 1 experts are chosen at all."""
    used = size.order(size.experts)[: size.k + 1]
    return used[torch.topk(size.normal(size.tokens, len(used)), size.k, dim=1).indices]


def _one_expert(size: _Size) -> Tensor:
    return size.whole(size.experts, 1).expand(size.rows)


def _ends(size: _Size) -> Tensor:
    """The first and the last expert alone."""
    return size.whole(2, size.rows) * (size.experts - 1)


def _repeated(size: _Size) -> Tensor:
    """A token may name an expert twice."""
    return size.whole(size.experts, size.rows)


def _ascending(size: _Size) -> Tensor:
    return _repeated(size).sort().values


def _descending(size: _Size) -> Tensor:
    return _repeated(size).sort(descending=True).values


def _round_robin(size: _Size) -> Tensor:
    return (size.count_up() + size.whole(size.experts, 1)) % size.experts


def _exact(size: _Size) -> Tensor:
    """Whole blocks of rows for every expert but one: no padding."""
    return _stretches(size, size.block)


def _one_over(size: _Size) -> Tensor:
    """One row more than a block: the most padding."""
    return _stretches(size, size.block + 1)


def _stretches(size: _Size, length: int) -> Tensor:
    """So many rows an expert, then the next, in a random order of rows; from the start again when all have theirs."""
    experts = size.order(size.experts)
    return experts[(size.count_up() // length) % size.experts][size.order(size.rows)]


LAWS: dict[str, Law] = {
    "uniform": _uniform,
    "one_expert": _one_expert,
    "router": _router,
    "one_over": _one_over,
    "ends": _ends,
    "repeated": _repeated,
    "zipf": _zipf,
    "exact": _exact,
    "few": _few,
    "ascending": _ascending,
    "bursty": _bursty,
    "round_robin": _round_robin,
    "descending": _descending,
}
