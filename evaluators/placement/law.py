"""Routing of single tokens with the affinity between layers that a real router shows.

In the routing of DeepSeek-V2-Lite the association between layers sixteen apart is hardly weaker than between
neighbours (`docs/placement.md`): what makes experts go together is what a token *is*, and not a preference of one
expert for another. So every token has a latent vector that wanders slowly through the layers, every expert a direction
that it favours, and the k best experts of each layer by

    score[t, l, e] = scale * log popularity[l, domain(t), e] + u[t, l] . v[l, e] + Gumbel noise

are visited. Few words make up most of a text, which gives the latent vectors their heavy tails. Popularity is that of
the generator of loads (`evaluators.workloads.generator`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.workloads.generator import GeneratorConfig, log_popularity
from evaluators.workloads.regimes import MixConfig

LAW_VERSION = 1
"""Raise with every change of what a seed gives: scores of different versions never compare."""

ZIPF_SHIFT = 2.7
"""Word frequencies fall as 1 / (rank + 2.7) (Mandelbrot's form of Zipf's law, with his value for English)."""

_TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityLaw:
    """How tokens choose experts.

    Args:
        layers: MoE layers.
        experts: routed experts per layer.
        top_k: experts per token and layer.
        domains: domains of requests, at least 2.
        affinity: standard deviation (nats) of the part of a score that comes from what the token is.
        decay: weight of each dimension of the latent vector relative to the one before it.
        persistence: correlation of a token's latent vector from one layer to the next.
        word_share: share of the variance of the latent vector that comes from the token's word.
        sequence_share: share of it that the tokens of a sequence have in common.
        popularity_scale: by how much log popularity is multiplied, so that affinity does not drown it.
        sequence_tokens: tokens of a sequence.
        factors: dimensions of the latent vector.
        words: size of the vocabulary; see `ZIPF_SHIFT`.
        domain_tilt: standard deviation (nats) of a word's log frequency from domain to domain.
    """

    layers: int
    experts: int
    top_k: int
    domains: int = 4
    affinity: float = 10.0
    decay: float = 0.8
    persistence: float = 0.99
    word_share: float = 0.8
    sequence_share: float = 0.1
    popularity_scale: float = 2.5
    sequence_tokens: int = 64
    factors: int = 16
    words: int = 512
    domain_tilt: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if not 1 <= self.top_k < self.experts or min(self.layers, self.factors, self.words, self.sequence_tokens) < 1:
            raise ValueError(f"needs 1 <= top_k < experts, and layers, factors, words and tokens, got {self}")
        if not (0 <= self.persistence <= 1 and 0 < self.decay <= 1):
            raise ValueError(f"persistence and decay lie in 0..1, got {self}")
        if min(self.word_share, self.sequence_share) < 0 or self.word_share + self.sequence_share > 1:
            raise ValueError(f"word_share and sequence_share are shares of one variance, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """One model drawn from a law, with the text that it reads.

    Args:
        law: what it was drawn from.
        popularity: float32 ``(layers, domains, experts)``, nats, scaled.
        favour: float32 ``(layers, factors, experts)``, the direction that each expert favours, scaled by the affinity.
        word_latent: float32 ``(words, factors)``, the latent vector of each word.
        word_frequency: float64 ``(domains, words)``; rows sum to 1.
    """

    law: AffinityLaw
    popularity: NDArray[np.float32]
    favour: NDArray[np.float32]
    word_latent: NDArray[np.float32]
    word_frequency: NDArray[np.float64]


def draw_router(law: AffinityLaw, rng: np.random.Generator) -> Router:
    """Draw a model."""
    shape = GeneratorConfig(layers=law.layers, experts=law.experts, top_k=law.top_k, mix=MixConfig(domains=law.domains))
    popularity = law.popularity_scale * log_popularity(shape, rng)
    weight = law.decay ** np.arange(law.factors)
    weight *= law.affinity / np.sqrt((weight**2).sum())
    favour = weight[:, None] * rng.standard_normal((law.layers, law.factors, law.experts))
    frequency = np.exp(law.domain_tilt * rng.standard_normal((law.domains, law.words)))
    frequency /= np.arange(1, law.words + 1) + ZIPF_SHIFT
    return Router(
        law=law,
        popularity=popularity.astype(np.float32),
        favour=favour.astype(np.float32),
        word_latent=rng.standard_normal((law.words, law.factors), dtype=np.float32),
        word_frequency=frequency / frequency.sum(axis=1, keepdims=True),
    )


def route(router: Router, domains: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Route sequences of ``sequence_tokens`` tokens each.

    Args:
        router: the model.
        domains: int64 ``(sequences,)``, each one's domain.
        rng: source of randomness.

    Returns:
        uint16 ``(sequences * sequence_tokens, layers, top_k)``, different experts in no particular order.
    """
    law = router.law
    latent = _latent(router, domains, rng)
    own = np.repeat(domains, law.sequence_tokens)
    keep = np.float32(law.persistence)
    change = np.sqrt(1 - keep * keep)
    ids = np.empty((len(own), law.layers, law.top_k), dtype=np.uint16)
    for layer in range(law.layers):
        scores = latent @ router.favour[layer]
        scores += router.popularity[layer][own]
        # Minus the logarithm of an exponential variable is Gumbel noise.
        scores -= np.log(rng.standard_exponential(scores.shape, dtype=np.float32) + _TINY)
        ids[:, layer] = np.argpartition(scores, -law.top_k, axis=1)[:, -law.top_k :]
        latent = keep * latent + change * rng.standard_normal(latent.shape, dtype=np.float32)
    return ids


def _latent(router: Router, domains: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Latent vectors ``(tokens, factors)`` of unit variance in the first layer: word, sequence and the rest."""
    law = router.law
    words = np.concatenate(
        [rng.choice(law.words, size=law.sequence_tokens, p=router.word_frequency[domain]) for domain in domains]
    )
    common = rng.standard_normal((len(domains), law.factors), dtype=np.float32)
    rest = rng.standard_normal((len(words), law.factors), dtype=np.float32)
    latent: NDArray[np.float32] = np.float32(np.sqrt(law.word_share)) * router.word_latent[words]
    latent += np.float32(np.sqrt(law.sequence_share)) * common.repeat(law.sequence_tokens, axis=0)
    latent += np.float32(np.sqrt(max(0.0, 1 - law.word_share - law.sequence_share))) * rest
    return latent
