"""What may be renamed, reordered or repeated without effect on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluators.bias_control.measures import Bias
from evaluators.bias_control.streams import BatchStream
from evaluators.problem import Relation

Change = tuple[BatchStream, Callable[[Bias], Bias]]


def _relabel_experts(stream: BatchStream, rng: np.random.Generator) -> Change:
    """The experts get new ids, in affinities and biases."""
    old = rng.permutation(stream.experts)  # new id -> old id
    return dataclasses.replace(stream, logits=stream.logits[:, :, old]), lambda bias: bias[old]


def _reorder_tokens(stream: BatchStream, rng: np.random.Generator) -> Change:
    """The tokens of each batch come in another order."""
    return dataclasses.replace(stream, picks=stream.picks[:, :, rng.permutation(stream.size)]), lambda bias: bias


def _double_tokens(stream: BatchStream, rng: np.random.Generator) -> Change:
    """Every token comes twice."""
    del rng
    return dataclasses.replace(stream, picks=np.tile(stream.picks, 2)), lambda bias: bias


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="reorder tokens", change=_reorder_tokens),
    Relation(name="every token twice", change=_double_tokens),
)
"""For audits; see `evaluators.problem.Relation`."""
