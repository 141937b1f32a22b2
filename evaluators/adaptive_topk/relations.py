"""What may be renamed, reordered or scaled without effect on the objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluators.adaptive_topk.measures import Marks
from evaluators.adaptive_topk.streams import TokenStream
from evaluators.problem import Relation

Change = tuple[TokenStream, Callable[[Marks], Marks]]


def _relabel_experts(stream: TokenStream, rng: np.random.Generator) -> Change:
    """GPUs trade places, and experts within their GPU, in all calls alike."""
    experts = np.arange(stream.scores.shape[3]).reshape(stream.gpus, -1)
    old = rng.permuted(experts[rng.permutation(stream.gpus)], axis=1).ravel()
    return replace(stream, scores=stream.scores[..., old]), lambda mask: mask[:, old]


def _shuffle_tokens(stream: TokenStream, rng: np.random.Generator) -> Change:
    """The tokens of every step come in another order."""
    order = rng.permutation(stream.scores.shape[2])
    return replace(stream, scores=stream.scores[:, :, order]), lambda mask: mask[order]


def _scale_affinities(stream: TokenStream, rng: np.random.Generator) -> Change:
    """Every token's affinities are multiplied by a power of two of its own."""
    factor = np.exp2(-rng.integers(0, 4, size=(*stream.scores.shape[:3], 1))).astype(np.float32)
    return replace(stream, scores=stream.scores * factor), lambda mask: mask


def _double_tokens(stream: TokenStream, rng: np.random.Generator) -> Change:
    """Every token comes twice and visits the same experts."""
    del rng
    doubled = replace(stream, scores=np.concatenate([stream.scores] * 2, axis=2), budget=stream.visits / stream.places)
    return doubled, lambda mask: np.concatenate([mask] * 2)


RELATIONS = (
    Relation(name="relabel experts and GPUs", change=_relabel_experts),
    Relation(name="tokens of a step in another order", change=_shuffle_tokens),
    Relation(name="scale each token's affinities", change=_scale_affinities),
    Relation(name="every token twice", change=_double_tokens),
)
