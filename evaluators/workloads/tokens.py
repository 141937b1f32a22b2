"""Token-level routing from the same popularity law as the generator of loads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.workloads.generator import GeneratorConfig, log_popularity, random_generator

# Far above any score: adding it puts a kept expert before all others, taking it puts a barred one behind.
_FORCE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig:
    """How single tokens choose experts.

    Args:
        popularity: shape of the router and law of expert popularity.
        repeat_probability: chance that a token keeps an expert that the token before it visited there.
        successors: how many experts of the next layer each expert prefers.
        affinity: bonus (nats of log popularity) of a preferred expert, for each expert that prefers it.
        sequence_tokens: length of a sequence; its tokens are of one domain.
    """

    popularity: GeneratorConfig
    repeat_probability: float = 0.15
    successors: int = 4
    affinity: float = 2.0
    sequence_tokens: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if not 0 <= self.repeat_probability <= 1:
            raise ValueError(f"repeat_probability lies in [0, 1], got {self.repeat_probability}")
        if not 0 <= self.successors <= self.popularity.experts or self.sequence_tokens < 1:
            raise ValueError(f"needs 0 <= successors <= experts and sequence_tokens >= 1, got {self}")


def generate_tokens(config: TokenConfig, seed: bytes | np.random.Generator, *, tokens: int) -> NDArray[np.uint16]:
    """Draw the experts of consecutive tokens by Gumbel top-k over log popularity (arXiv:1903.06059).

    Sequences follow one another; the domain of each is drawn from one mix of domains.

    Returns:
        uint16 ``(tokens, layers, top_k)``, experts of each token and layer, different and rising.
    """
    if tokens < 1:
        raise ValueError(f"needs at least one token, got {tokens}")
    rng = random_generator(seed)
    law = config.popularity
    popularity = log_popularity(law, rng)
    bonus = _affinity(config, rng)
    mix = rng.dirichlet(np.full(law.mix.domains, law.mix.concentration))
    sequences = -(-tokens // config.sequence_tokens)
    domain = rng.choice(law.mix.domains, size=sequences, p=mix)
    visited = np.zeros((law.layers, sequences, law.experts), dtype=np.bool_)
    ids = np.empty((sequences, config.sequence_tokens, law.layers, law.top_k), dtype=np.uint16)
    for position in range(config.sequence_tokens):
        for layer in range(law.layers):
            scores = popularity[layer, domain] + rng.gumbel(size=(sequences, law.experts))
            if layer:
                scores += visited[layer - 1].astype(np.float64) @ bonus[layer - 1]
            kept = visited[layer] & (rng.random(visited[layer].shape) < config.repeat_probability)
            scores += _FORCE * kept
            _bar_groups(scores, law)
            chosen = np.sort(np.argpartition(scores, -law.top_k, axis=1)[:, -law.top_k :], axis=1)
            ids[:, position, layer] = chosen
            visited[layer] = False
            np.put_along_axis(visited[layer], chosen, True, axis=1)
    return ids.reshape(-1, law.layers, law.top_k)[:tokens]


def _affinity(config: TokenConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Bonus ``(layers - 1, experts, experts)`` in nats that a visited expert gives to the next layer."""
    law = config.popularity
    bonus = np.zeros((law.layers - 1, law.experts, law.experts))
    preferred = rng.permuted(np.broadcast_to(np.arange(law.experts), bonus.shape), axis=2)
    np.put_along_axis(bonus, preferred[:, :, : config.successors], config.affinity, axis=2)
    return bonus


def _bar_groups(scores: NDArray[np.float64], law: GeneratorConfig) -> None:
    """Push every expert outside the best groups behind all others, in place.

    A group's rank is the sum of its two best scores, as in DeepSeek-V3 (arXiv:2412.19437, section 2.1.2).
    """
    if law.top_groups == law.groups:
        return
    grouped = scores.reshape(len(scores), law.groups, -1)
    rank = np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2)
    barred = np.argsort(rank, axis=1)[:, : law.groups - law.top_groups]
    np.put_along_axis(grouped, barred[:, :, None], grouped.min() - 2 * _FORCE, axis=1)
