"""Blocks of tokens, each with the experts that its tokens chose in one layer, and streams of such blocks.

A block is what a decoder runs at once: the block of a diffusion language model (consecutive tokens of one request), the
drafts of several requests under speculative decoding (short runs), or a decoding batch (runs of one token). Every
block of a stream takes one layer of the model, and requests of domains drawn for each run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.routes import RouteShape, RouteSource
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError

Values = NDArray[np.float64]

BLOCKS_VERSION = 1
"""Raise with every change of what a seed gives: scores of different versions never compare."""

SHARES = (0.30, 0.45, 0.60)
"""Budgets, as shares of the experts that a block's tokens chose."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 2, Split.VALIDATION: 2, Split.HIDDEN: 4}
"""How often each kind of stream is drawn, each time of another model where the source has several."""

BLOCKS: Mapping[Split, int] = {Split.TRAIN: 12, Split.VALIDATION: 12, Split.HIDDEN: 10}
"""Blocks of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which tokens make up a block.

    Args:
        tokens: tokens of a block.
        run: consecutive tokens of one sequence that are in it together; runs of shorter sequences are shorter.
        shape: of the model, for a generated source.
    """

    tokens: int
    run: int
    shape: RouteShape

    @property
    def label(self) -> str:
        """Unique within a split."""
        return f"{self.tokens}x{self.run}/{self.shape.experts}top{self.shape.top_k}"


def _kind(tokens: int, run: int, experts: int = 64, top_k: int = 6) -> Kind:
    return Kind(tokens=tokens, run=run, shape=RouteShape(layers=4, experts=experts, top_k=top_k, tokens=2048))


KINDS: Mapping[Split, tuple[Kind, ...]] = {
    Split.TRAIN: (_kind(32, 32), _kind(32, 1, 128, 8)),
    Split.VALIDATION: (_kind(24, 24, 64, 8), _kind(48, 1, 128, 4)),
    Split.HIDDEN: (_kind(16, 1, 256, 8), _kind(48, 48, 64, 6), _kind(64, 4, 128, 4), _kind(32, 32, 384, 8)),
}
"""What blocks of each split are made of; recorded traces have models of their own shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBlock:
    """A block of tokens in one layer.

    Args:
        ids: int32 ``(tokens, top_k)``, experts that each token chose, different ones.
        weights: float32 ``(tokens, top_k)``, their gate weights; each token's sum to 1.
        budget: how many experts may be loaded.
    """

    ids: NDArray[np.int32]
    weights: NDArray[np.float32]
    budget: int

    @property
    def table(self) -> tuple[NDArray[np.int32], Values]:
        """The experts of the block, rising ``(distinct,)``, and each token's gate mass on them ``(tokens, distinct)``.

        Every row of the mass sums to 1.
        """
        experts, place = np.unique(self.ids, return_inverse=True)
        mass = np.zeros((len(self.ids), len(experts)))
        mass[np.arange(len(self.ids))[:, None], place.reshape(self.ids.shape)] = self.weights
        return experts.astype(np.int32), mass / mass.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class BlockStream:
    """Blocks of one kind at one budget, in the order in which they come.

    Args:
        name: unique within a judge's block.
        stratum: its law; see `evaluators.problem.Workload`.
        blocks: the blocks.
        experts: experts of the layer, whether or not the block's tokens chose them.
    """

    name: str
    stratum: str
    blocks: tuple[TokenBlock, ...]
    experts: int

    @cached_property
    def tables(self) -> tuple[tuple[NDArray[np.int32], Values], ...]:
        """The table of each block, made once."""
        return tuple(block.table for block in self.blocks)


def draw_streams(source: RouteSource, split: Split, seed: bytes) -> list[BlockStream]:
    """Every kind at every budget, and again; models of the source by turns.

    Args:
        source: of the routes.
        split: whose sequences; the splits share none.
        seed: 32 bytes; decides on models, layers, sequences and tokens.

    Raises:
        TraceError: the source has no gate weights in this split.
    """
    models = source.variants
    streams = []
    for draw in range(max(DRAWS[split], len(models))):
        model = models[draw % len(models)]
        for kind in KINDS[split]:
            own = derive_seed(seed, f"block_coreset/{split.value}/{kind.label}/{draw}")
            trace = model.sequences(split, own, kind.shape)
            rng = random_generator(derive_seed(own, "blocks"))
            label = f"{kind.tokens}x{kind.run}/{trace.experts}top{trace.top_k}"
            domains = _weighted(source.name, split, trace)
            for share in SHARES:
                blocks = tuple(draw_block(trace.layers, domains, kind, share, rng) for _ in range(BLOCKS[split]))
                stratum = f"{label}/{round(100 * share)}%"
                name = f"{stratum}/{model.name}/{draw}"
                streams.append(BlockStream(name=name, stratum=stratum, blocks=blocks, experts=trace.experts))
    return streams


def draw_block(
    layers: int, domains: tuple[tuple[RoutedSequence, ...], ...], kind: Kind, share: float, rng: np.random.Generator
) -> TokenBlock:
    """Draw a layer and, run by run, domain, sequence and place, until the block is full."""
    layer = int(rng.integers(layers))
    ids, weights, room = [], [], kind.tokens
    while room:
        pool = domains[int(rng.integers(len(domains)))]
        sequence = pool[int(rng.integers(len(pool)))]
        length = min(kind.run, len(sequence.ids), room)
        start = int(rng.integers(len(sequence.ids) - length + 1))
        assert sequence.weights is not None  # `_weighted` left the others out
        ids.append(sequence.ids[start : start + length, layer])
        weights.append(sequence.weights[start : start + length, layer])
        room -= length
    chosen, gates = np.concatenate(ids).astype(np.int32), np.concatenate(weights).astype(np.float64)
    budget = max(1, round(share * len(np.unique(chosen))))
    shares = (gates / gates.sum(axis=1, keepdims=True)).astype(np.float32)
    return TokenBlock(ids=chosen, weights=shares, budget=budget)


def _weighted(name: str, split: Split, trace: Trace) -> tuple[tuple[RoutedSequence, ...], ...]:
    """The sequences with gate weights, by domain; domains without any are left out."""
    domains = [
        tuple(sequence for sequence in sequences if sequence.weights is not None and len(sequence.ids))
        for sequences in trace.domains.values()
    ]
    held = tuple(sequences for sequences in domains if sequences)
    if not held:
        raise TraceError(f"{name}: split {split.value} has no sequence with gate weights; record them too (w_<domain>)")
    for sequence in (sequence for sequences in held for sequence in sequences):
        gates = sequence.weights
        if gates is None or not (np.isfinite(gates).all() and (gates >= 0).all() and (gates.sum(axis=2) > 0).all()):
            raise TraceError(f"{name}: gate weights must be finite, 0 or more, and not all 0 for any token; mend them")
    return held
