"""Streams of decoding steps: a few tokens at a time go through the layers of a model, with all their affinities.

Tokens come domain by domain (regimes) or mixed, each once in a stream as far as they last. Every step takes the same
tokens through all recorded layers, in order; each layer is one call. The budget is for the stream as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.scores import ScoreSource, ScoreStream, TraceError

Values = NDArray[np.float64]
Scores = NDArray[np.float32]

STREAMS_VERSION = 2
"""Raise with every change of what a seed gives: scores of different versions never compare."""

BURST = 1.4
"""Buffers of a call hold so many times what the budget would give it if all calls had the same."""

CALLS: Mapping[Split, int] = {Split.TRAIN: 48, Split.VALIDATION: 48, Split.HIDDEN: 48}
"""Calls of a stream, at most: whole steps, and tokens of one model do not come twice."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 2, Split.VALIDATION: 2, Split.HIDDEN: 4}
"""How often each kind is drawn, of each model of the source by turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a stream is like.

    Args:
        tokens: of a step.
        gpus: over which the experts of a layer are spread evenly, in order.
        share: budget, as a share of the experts that the model's tokens visit.
        mixed: whether every step has tokens of all domains, and not of one for a while.
        early: whether its routers are those of the step of training before the last.
    """

    tokens: int
    gpus: int
    share: float
    mixed: bool = False
    early: bool = False

    @property
    def label(self) -> str:
        """Unique within a split."""
        order = "mixed" if self.mixed else "regimes"
        return f"{self.tokens}tokens/{self.gpus}gpu/{round(100 * self.share)}%/{order}{'/early' * self.early}"


KINDS: Mapping[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (
        Kind(tokens=16, gpus=8, share=0.4),
        Kind(tokens=16, gpus=8, share=0.6, mixed=True),
        Kind(tokens=24, gpus=4, share=0.6),
    ),
    Split.VALIDATION: (
        Kind(tokens=12, gpus=8, share=0.5),
        Kind(tokens=24, gpus=8, share=0.4, mixed=True),
        Kind(tokens=16, gpus=4, share=0.65),
    ),
    Split.HIDDEN: (
        Kind(tokens=8, gpus=8, share=0.5),
        Kind(tokens=16, gpus=16, share=0.45),
        Kind(tokens=20, gpus=8, share=0.7, mixed=True),
        Kind(tokens=16, gpus=8, share=0.35, early=True),
        Kind(tokens=32, gpus=8, share=0.5),
    ),
}
"""The streams of each split; all draws of a kind are spread over the block."""


@dataclass(frozen=True)
class TokenStream:
    """A stream with its budget.

    Args:
        name: unique within a judge's block.
        stratum: its law; see `evaluators.problem.Workload`.
        scores: float32 ``(steps, layers, tokens, experts)`` in 0..1, affinities.
        top_k: experts that a token may visit at most, and that the model was trained with.
        gpus: over which experts are spread evenly, in order.
        budget: visits per token and layer, mean over the stream.
    """

    name: str
    stratum: str
    scores: Scores
    top_k: int
    gpus: int
    budget: float

    @property
    def layers(self) -> int:
        """Layers that every step goes through."""
        return int(self.scores.shape[1])

    @cached_property
    def calls(self) -> Scores:
        """Affinities by call, ``(steps * layers, tokens, experts)``."""
        return self.scores.reshape(-1, *self.scores.shape[2:])

    @property
    def places(self) -> int:
        """Pairs of a token and a layer that the stream has."""
        return int(self.calls.shape[0] * self.calls.shape[1])

    @property
    def visits(self) -> int:
        """Visits that the budget allows in all."""
        return max(self.places, round(self.budget * self.places))

    @property
    def most_of_call(self) -> int:
        """Visits that one call may have at most: what its buffers hold."""
        tokens = int(self.calls.shape[1])
        return max(tokens, int(BURST * self.budget * tokens))

    @cached_property
    def mass(self) -> Values:
        """Affinities over the sum of the token's ``top_k`` largest, ``(calls, tokens, experts)``."""
        scores = self.calls.astype(np.float64)
        most = -np.partition(-scores, self.top_k - 1, axis=2)[:, :, : self.top_k].sum(axis=2, keepdims=True)
        mass: Values = scores / most
        return mass


def draw_streams(source: ScoreSource, split: Split, seed: bytes) -> list[TokenStream]:
    """Every kind with every draw, models of the source by turns.

    Raises:
        TraceError: too few tokens, or a model whose experts cannot be spread over the GPUs of any kind.
    """
    streams = []
    for draw in range(DRAWS[split]):
        models = _models(source.streams(split, derive_seed(seed, f"adaptive_topk/{split.value}/{draw}")))
        for number, kind in enumerate(KINDS[split]):
            name = sorted(models)[(draw + number) % len(models)]
            held = models[name]
            if len(held[0].bias) % kind.gpus:
                continue
            rng = random_generator(derive_seed(seed, f"adaptive_topk/{split.value}/{kind.label}/{draw}"))
            streams.append(
                TokenStream(
                    name=f"{kind.label}/{name}/{draw}",
                    stratum=kind.label,
                    scores=_draw(held, kind, CALLS[split], rng),
                    top_k=held[0].top_k,
                    gpus=kind.gpus,
                    budget=kind.share * held[0].top_k,
                )
            )
    if not streams:
        raise TraceError(f"{source.name}: no number of GPUs divides its experts; record a model with another number")
    return streams


def _models(streams: Sequence[ScoreStream]) -> dict[str, list[ScoreStream]]:
    """The streams of each model."""
    models: dict[str, list[ScoreStream]] = {}
    for stream in streams:
        models.setdefault(stream.model, []).append(stream)
    return models


def _draw(held: Sequence[ScoreStream], kind: Kind, calls: int, rng: np.random.Generator) -> Scores:
    """Affinities ``(steps, layers, tokens, experts)`` of one model's tokens in an order of the generator's.

    Experts are numbered anew in every layer: who knew the public models would else know which of them are popular, and
    which share a GPU.
    """
    steps = sorted({stream.step for stream in held})
    step = steps[-2] if kind.early and len(steps) > 1 else steps[-1]
    domains: dict[str, list[Scores]] = {}
    for stream in held:
        if stream.step == step:
            domains.setdefault(stream.domain, []).append(stream.affinity)
    layers = min(len(each) for each in domains.values())
    pools = [np.stack(domains[name][:layers]) for name in sorted(domains)]  # each (layers, tokens, experts)
    pools = [pools[index] for index in rng.permutation(len(pools))]
    wanted = max(2, calls // layers) * kind.tokens
    # Regimes of the same length, each of consecutive tokens from a place of its own.
    length = -(-wanted // len(pools))
    parts = [_stretch(pool, length, rng) for pool in pools]
    tokens = np.concatenate(parts, axis=1)
    if kind.mixed:
        tokens = tokens[:, rng.permutation(tokens.shape[1])]
    count = min(wanted, tokens.shape[1]) // kind.tokens
    if count < 2:
        raise TraceError(f"too few tokens for two steps of {kind.tokens}: {tokens.shape[1]}; record more")
    tokens = tokens[:, : count * kind.tokens]
    if not (np.isfinite(tokens).all() and (tokens >= 0).all() and (tokens.max(axis=2) > 0).all()):
        raise TraceError("affinities must be finite, 0 or more, and not all 0 for any token; mend them")
    tokens = np.stack([layer[:, rng.permutation(layer.shape[1])] for layer in tokens])
    shaped = tokens.reshape(layers, count, kind.tokens, -1).swapaxes(0, 1)
    return np.ascontiguousarray(shaped, dtype=np.float32)


def _stretch(pool: Scores, length: int, rng: np.random.Generator) -> Scores:
    """So many consecutive tokens of a domain, or all that there are, from a random place on and round."""
    tokens = pool.shape[1]
    start = int(rng.integers(tokens))
    return pool[:, (start + np.arange(min(length, tokens))) % tokens]
