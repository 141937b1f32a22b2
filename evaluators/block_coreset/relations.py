"""What may be renamed, reordered, doubled or scaled without effect on the objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluators.block_coreset.blocks import BlockStream, TokenBlock
from evaluators.block_coreset.measures import Choice
from evaluators.problem import Relation

Change = tuple[BlockStream, Callable[[Choice], Choice]]


def _each(stream: BlockStream, change: Callable[[TokenBlock], TokenBlock]) -> BlockStream:
    return replace(stream, blocks=tuple(map(change, stream.blocks)))


def _same(choice: Choice) -> Choice:
    return choice


def _relabel_experts(stream: BlockStream, rng: np.random.Generator) -> Change:
    """Experts get new ids, in blocks and choices."""
    new = rng.permutation(stream.experts).astype(np.int32)
    return _each(stream, lambda block: replace(block, ids=new[block.ids])), lambda choice: new[choice]


def _shuffle_tokens(stream: BlockStream, rng: np.random.Generator) -> Change:
    """Tokens of a block come in another order, and so do the experts of each token."""

    def shuffled(block: TokenBlock) -> TokenBlock:
        tokens, places = rng.permutation(len(block.ids)), rng.permutation(block.ids.shape[1])
        return replace(block, ids=block.ids[tokens][:, places], weights=block.weights[tokens][:, places])

    return _each(stream, shuffled), _same


def _double_tokens(stream: BlockStream, rng: np.random.Generator) -> Change:
    """Every token comes twice: neither mean nor percentile moves."""
    del rng

    def doubled(block: TokenBlock) -> TokenBlock:
        return replace(block, ids=np.concatenate([block.ids] * 2), weights=np.concatenate([block.weights] * 2))

    return _each(stream, doubled), _same


def _scale_weights(stream: BlockStream, rng: np.random.Generator) -> Change:
    """Each token's gate weights are multiplied by a power of two of its own."""

    def scaled(block: TokenBlock) -> TokenBlock:
        factor = np.exp2(rng.integers(-3, 4, size=(len(block.ids), 1))).astype(np.float32)
        return replace(block, weights=block.weights * factor)

    return _each(stream, scaled), _same


def _turn_choices(stream: BlockStream, rng: np.random.Generator) -> Change:
    """Experts of a choice are named in another order."""
    return stream, rng.permutation


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="tokens in another order", change=_shuffle_tokens),
    Relation(name="every token twice", change=_double_tokens),
    Relation(name="scale each token's weights", change=_scale_weights),
    Relation(name="choices in another order", change=_turn_choices),
)
