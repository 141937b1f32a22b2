"""A law of router affinities, in the bands of the project's own records (``data/README.md``).

Every token has a latent vector: of its word, of its sequence, and its own. Every expert of a layer has a direction that
it favours and a popularity in each domain. The affinity is the sigmoid of

    level + spread * (popular * p[domain, e] + sqrt(1 - popular^2) * (sqrt(1 - own) * u[t] . v[e] + sqrt(own) * noise))

with unit variances throughout, so that ``spread`` is the deviation of the logits and ``popular`` the experts' part.
Early in training the levels are high, the spread is small, and popularity is large and shared by all domains; later it
is the other way round. Directions and noise turn slowly from one recorded step to the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.workloads.score_stream import ScoreStream

# Raise with every change of what a seed gives: scores of different versions never compare.
LAW_VERSION = 1

FACTORS = 24
"""Dimensions of the latent vectors."""

WORDS = 512
WORD_SHIFT = 2.7
"""Word frequencies fall as 1 / (rank + 2.7), Mandelbrot's form of Zipf's law with his value for English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLaw:
    """The ranges, low to high, of one recorded step of training.

    Args:
        level: mean of the logits.
        spread: their standard deviation; it is the wider the lower the level.
        popular: share of it that is the experts' popularity.
        common: correlation of popularity between domains.
        turned: correlation of directions and noise with those of the step before.
    """

    level: tuple[float, float]
    spread: tuple[float, float]
    popular: tuple[float, float]
    common: tuple[float, float]
    turned: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLaw:
    """What the models of a split are drawn from; ranges go from low to high.

    Args:
        shapes: experts and experts per token, one of which a model has.
        steps: the recorded steps of training.
        domains: how many domains there are.
        word: share of the variance of a latent vector that is its word's.
        sequence: share that is its sequence's.
        own: share of the variance of a logit that no latent vector tells.
        lengths: tokens of a sequence, log-uniform.
        models: how many models a seed draws.
        layers: layers of each.
        tokens: tokens of each domain.
    """

    shapes: tuple[tuple[int, int], ...]
    steps: tuple[StepLaw, ...]
    domains: tuple[int, int]
    word: tuple[float, float]
    sequence: tuple[float, float]
    own: tuple[float, float]
    lengths: tuple[int, int]
    models: int = 2
    layers: int = 3
    tokens: int = 256


_EARLY = StepLaw(level=(-0.2, 0.0), spread=(0.55, 0.7), popular=(0.4, 0.65), common=(0.6, 0.85), turned=(0.0, 0.0))
_MIDDLE = StepLaw(level=(-2.3, -0.4), spread=(1.0, 1.2), popular=(0.17, 0.33), common=(0.2, 0.4), turned=(0.3, 0.4))
_LATE = StepLaw(level=(-4.2, -0.4), spread=(0.85, 1.6), popular=(0.14, 0.3), common=(0.0, 0.4), turned=(0.65, 0.85))
_SEEN = ScoreLaw(
    shapes=((64, 6),),
    steps=(_EARLY, _MIDDLE, _LATE),
    domains=(4, 4),
    word=(0.4, 0.6),
    sequence=(0.15, 0.3),
    own=(0.1, 0.3),
    lengths=(12, 120),
)
LAWS: Mapping[Split, ScoreLaw] = {
    Split.TRAIN: _SEEN,
    Split.VALIDATION: _SEEN,
    Split.HIDDEN: dataclasses.replace(
        _SEEN,
        shapes=((32, 4), (64, 6), (64, 8), (128, 8)),
        steps=(
            dataclasses.replace(_EARLY, spread=(0.4, 0.9), popular=(0.3, 0.7)),
            dataclasses.replace(_MIDDLE, level=(-3.0, 0.0), popular=(0.1, 0.4), common=(0.0, 0.6), turned=(0.2, 0.6)),
            dataclasses.replace(_LATE, level=(-5.0, 0.0), spread=(0.7, 1.8), popular=(0.1, 0.4), common=(0.0, 0.6)),
        ),
        domains=(3, 6),
        word=(0.2, 0.6),
        sequence=(0.05, 0.4),
        own=(0.0, 0.5),
        lengths=(6, 200),
    ),
}
"""What generated models are drawn from, by split."""


def law_facts() -> dict[str, object]:
    """Everything that decides what a split and a generator of random numbers give."""
    laws = {split.value: dataclasses.asdict(law) for split, law in LAWS.items()}
    return {"version": LAW_VERSION, "factors": FACTORS, "words": [WORDS, WORD_SHIFT], "laws": laws}


def draw_streams(split: Split, rng: np.random.Generator) -> tuple[ScoreStream, ...]:
    """Draw the streams of a split; see `evaluators.workloads.scores.ScoreSource.streams`."""
    law = LAWS[split]
    return tuple(stream for model in range(law.models) for stream in _draw_model(law, f"model{model}", rng))


def _draw_model(law: ScoreLaw, name: str, rng: np.random.Generator) -> list[ScoreStream]:
    """Draw a model and its text: all streams of it, by domain, layer and step."""
    experts, top_k = law.shapes[int(rng.integers(len(law.shapes)))]
    domains = int(rng.integers(*law.domains, endpoint=True))
    word, shared, own = (float(rng.uniform(*bounds)) for bounds in (law.word, law.sequence, law.own))
    sequence = np.stack([_sequences(law, rng) for _ in range(domains)])
    latent = _latents(sequence, word, shared, rng)
    by_layer = [_affinities(law, latent, (experts, own), rng) for _ in range(law.layers)]
    streams = []
    for domain in range(domains):
        for layer, affinity in enumerate(by_layer):
            for step in range(len(law.steps)):
                # A model that was balanced: an expert that the text likes more is lifted less.
                mean = affinity[step].mean(axis=(0, 1))
                streams.append(
                    ScoreStream(
                        model=name,
                        domain=f"domain{domain}",
                        layer=layer,
                        step=step,
                        top_k=top_k,
                        affinity=affinity[step, domain],
                        bias=mean.mean() - mean,
                        sequence=sequence[domain],
                    )
                )
    return streams


def _sequences(law: ScoreLaw, rng: np.random.Generator) -> NDArray[np.int32]:
    """Which sequence each token is of, for sequences of log-uniform lengths, ``(tokens,)``."""
    low, high = np.log(law.lengths[0]), np.log(law.lengths[1] + 1)
    lengths = np.exp(rng.uniform(low, high, size=-(-law.tokens // law.lengths[0]))).astype(np.int64)
    return np.arange(len(lengths), dtype=np.int32).repeat(lengths)[: law.tokens]


def _latents(sequence: NDArray[np.int32], word: float, shared: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Latent vectors ``(domains, tokens, factors)`` of unit variance; word and sequence have these shares of it."""
    domains, tokens = sequence.shape
    words = rng.standard_normal((WORDS, FACTORS), dtype=np.float32)
    frequency = 1 / (np.arange(1, WORDS + 1) + WORD_SHIFT)
    frequency /= frequency.sum()
    latent = np.empty((domains, tokens, FACTORS), dtype=np.float32)
    for domain in range(domains):
        # Every domain has another order of the words by frequency.
        drawn = rng.permutation(WORDS)[rng.choice(WORDS, size=tokens, p=frequency)]
        common = rng.standard_normal((int(sequence[domain].max()) + 1, FACTORS), dtype=np.float32)
        rest = rng.standard_normal((tokens, FACTORS), dtype=np.float32)
        latent[domain] = np.sqrt(word) * words[drawn] + np.sqrt(shared) * common[sequence[domain]]
        latent[domain] += np.float32(np.sqrt(max(0.0, 1 - word - shared))) * rest
    return latent


def _affinities(
    law: ScoreLaw, latent: NDArray[np.float32], shape: tuple[int, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Affinities of one layer, ``(steps, domains, tokens, experts)``.

    Args:
        law: what the model is drawn from.
        latent: ``(domains, tokens, factors)``.
        shape: how many experts there are, and the share of a logit's variance that no latent vector tells.
        rng: source of randomness.
    """
    experts, own = shape
    domains, tokens, factors = latent.shape
    turning = [
        np.zeros((factors, experts), dtype=np.float32),
        np.zeros((domains, tokens, experts), dtype=np.float32),
    ]
    affinity = np.empty((len(law.steps), domains, tokens, experts), dtype=np.float32)
    for number, ranges in enumerate(law.steps):
        # The lower the level, the wider the spread: both tell how selective the layer has become.
        chosen = rng.random()
        level = np.float32(ranges.level[1] + chosen * (ranges.level[0] - ranges.level[1]))
        spread = np.float32(ranges.spread[0] + chosen * (ranges.spread[1] - ranges.spread[0]))
        popular, common, turned = (
            np.float32(rng.uniform(*bounds)) for bounds in (ranges.popular, ranges.common, ranges.turned)
        )
        turning = [
            turned * old + np.sqrt(1 - turned * turned) * rng.standard_normal(old.shape, dtype=np.float32)
            for old in turning
        ]
        favour, noise = turning
        shared = rng.standard_normal(experts, dtype=np.float32)
        apart = rng.standard_normal((domains, 1, experts), dtype=np.float32)
        popularity = np.sqrt(common) * shared + np.sqrt(1 - common) * apart
        token = np.float32(np.sqrt((1 - own) / factors)) * (latent @ favour) + np.float32(np.sqrt(own)) * noise
        logits = level + spread * (popular * popularity + np.sqrt(1 - popular * popular) * token)
        affinity[number] = 1 / (1 + np.exp(-logits))
    return affinity
