"""Token-level routing from the same popularity law as the generator of loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.workloads.generator import GeneratorConfig, log_popularity, random_generator

# Far above any score: adding it puts a kept expert before all others, taking it puts a barred one behind.
_FORCE = np.float32(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig:
    """How single tokens choose experts.

    Args:
        popularity: shape of the router and law of expert popularity.
        repeat_probability: chance that a token keeps an expert that the token before it visited there.
        successors: how many experts of the next layer each expert prefers.
        affinity: bonus (nats of log popularity) of a preferred expert, for each expert that prefers it.
        sequence_tokens: length of a sequence; its tokens are of one domain.
        sequence_sd: standard deviation (nats) by which one sequence's log popularity differs from its domain's.
    """

    popularity: GeneratorConfig
    repeat_probability: float = 0.15
    successors: int = 4
    affinity: float = 2.0
    sequence_tokens: int = 64
    sequence_sd: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if not 0 <= self.repeat_probability <= 1:
            raise ValueError(f"repeat_probability lies in [0, 1], got {self.repeat_probability}")
        if not 0 <= self.successors <= self.popularity.experts or self.sequence_tokens < 1 or self.sequence_sd < 0:
            raise ValueError(f"needs 0 <= successors <= experts, sequence_tokens >= 1, sequence_sd >= 0, got {self}")


class Routed(NamedTuple):
    """Routing of some sequences, one behind the other.

    Args:
        ids: uint16 ``(tokens, layers, top_k)``, experts of each token and layer, different and rising.
        weights: float32 of the same shape, softmax of the chosen experts' scores; sums to 1.
    """

    ids: NDArray[np.uint16]
    weights: NDArray[np.float32]


def generate_tokens(config: TokenConfig, seed: bytes | np.random.Generator, *, tokens: int) -> NDArray[np.uint16]:
    """Draw the experts of consecutive tokens.

    Sequences of `TokenConfig.sequence_tokens` follow one another; the domain of each is drawn from one mix of domains.

    Returns:
        uint16 ``(tokens, layers, top_k)``, experts of each token and layer, different and rising.
    """
    if tokens < 1:
        raise ValueError(f"needs at least one token, got {tokens}")
    rng = random_generator(seed)
    law = config.popularity
    mix = rng.dirichlet(np.full(law.mix.domains, law.mix.concentration))
    lengths = np.full(-(-tokens // config.sequence_tokens), config.sequence_tokens)
    lengths[-1] -= lengths.sum() - tokens
    domains = rng.choice(law.mix.domains, size=len(lengths), p=mix)
    return route_sequences(config, rng, domains=domains, lengths=lengths).ids


def route_sequences(
    config: TokenConfig, rng: np.random.Generator, *, domains: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Routed:
    """Draw a model, and the experts of all tokens of its sequences by Gumbel top-k (arXiv:1903.06059).

    Args:
        config: the law.
        rng: source of randomness.
        domains: domain of each sequence, ``(sequences,)``.
        lengths: tokens of each sequence, ``(sequences,)``, at least 1.
    """
    law = config.popularity
    popularity = log_popularity(law, rng).astype(np.float32)
    preferred = _preferred(config, rng)
    # The longest first: those that last beyond a position are then the first so many.
    order = np.argsort(-lengths, kind="stable")
    base = popularity[:, domains[order]]
    if config.sequence_sd:
        base += np.float32(config.sequence_sd) * rng.standard_normal(base.shape, dtype=np.float32)
    longest = int(lengths.max())
    lasting = (lengths[None, :] > np.arange(longest)[:, None]).sum(axis=1).tolist()
    ids = np.zeros((len(lengths), longest, law.layers, law.top_k), dtype=np.uint16)
    weights = np.zeros(ids.shape, dtype=np.float32)
    chosen: NDArray[np.int64] | None = None
    for position, count in enumerate(lasting):
        before = None if chosen is None else chosen[:, :count]
        chosen, gates = _route(base[:, :count], before, preferred, config, rng)
        ids[:count, position] = chosen.swapaxes(0, 1)
        weights[:count, position] = gates.swapaxes(0, 1)
    place = np.argsort(order)
    inside = np.arange(longest)[None, :] < lengths[:, None]
    return Routed(ids=ids[place][inside], weights=weights[place][inside])


def _route(
    base: NDArray[np.float32],
    before: NDArray[np.int64] | None,
    preferred: NDArray[np.int64],
    config: TokenConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Route one token of every sequence.

    Args:
        base: log popularity, ``(layers, sequences, experts)``.
        before: experts of the sequences' tokens before, ``(layers, sequences, top_k)``; None for the first.
        preferred: see `_preferred`.
        config: the law.
        rng: source of randomness.

    Returns:
        Experts and gate weights, both ``(layers, sequences, top_k)``.
    """
    law = config.popularity
    draws = rng.standard_exponential(base.shape, dtype=np.float32)
    scores = base - np.log(np.maximum(draws, np.float32(1e-30)))
    first = np.arange(base.shape[1])[:, None] * law.experts
    chosen = np.empty((*base.shape[:2], law.top_k), dtype=np.int64)
    kept = np.zeros(chosen.shape, dtype=np.float32)
    if before is not None:
        kept[rng.random(chosen.shape, dtype=np.float32) < config.repeat_probability] = _FORCE
    for layer in range(law.layers):
        if layer:
            liked = preferred[layer - 1][chosen[layer - 1]].reshape(len(first), -1)
            np.add.at(scores[layer].reshape(-1), first + liked, np.float32(config.affinity))
        ranked = scores[layer].copy()
        if before is not None:
            ranked.reshape(-1)[first + before[layer]] += kept[layer]
        _bar_groups(ranked, law)
        chosen[layer] = np.sort(np.argpartition(ranked, -law.top_k, axis=1)[:, -law.top_k :], axis=1)
    own = np.take_along_axis(scores, chosen, axis=2)
    gates = np.exp(own - own.max(axis=2, keepdims=True))
    return chosen, gates / gates.sum(axis=2, keepdims=True)


def _preferred(config: TokenConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Experts of the next layer that each expert prefers, ``(layers - 1, experts, successors)``."""
    law = config.popularity
    every = np.broadcast_to(np.arange(law.experts), (law.layers - 1, law.experts, law.experts))
    return rng.permuted(every, axis=2)[:, :, : config.successors]


def _bar_groups(scores: NDArray[np.float32], law: GeneratorConfig) -> None:
    """Push every expert outside the best groups behind all others, in place.

    A group's rank is the sum of its two best scores, as in DeepSeek-V3 (arXiv:2412.19437, section 2.1.2).
    """
    if law.top_groups == law.groups:
        return
    grouped = scores.reshape(len(scores), law.groups, -1)
    rank = np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2)
    barred = np.argsort(rank, axis=1)[:, : law.groups - law.top_groups]
    np.put_along_axis(grouped, barred[:, :, None], grouped.min() - 2 * _FORCE, axis=1)
