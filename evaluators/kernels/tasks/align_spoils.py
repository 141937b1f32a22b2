"""Right outputs of `moe_align` made wrong, each so that one check alone stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors


def _count(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A block more than there are."""
    del contents, random
    rows, blocks, num_padded = outputs
    return rows, blocks, num_padded + len(rows) // len(blocks)


def _blocks(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """One block given to the expert after its own."""
    del contents
    rows, blocks, num_padded = outputs
    spoiled = blocks.clone()
    spoiled[_any(blocks >= 0, random, "a block")] += 1
    return rows, spoiled, num_padded


def _unused(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A block that no expert has given to the first."""
    del contents
    rows, blocks, num_padded = outputs
    spoiled = blocks.clone()
    spoiled[_any(blocks < 0, random, "a block that no expert has")] = 0
    return rows, spoiled, num_padded


def _tail(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A row beyond the last section."""
    del contents
    rows, blocks, num_padded = outputs
    beyond = torch.arange(len(rows), device=rows.device) >= num_padded
    return _with_row(rows, _any(beyond, random, "a place beyond the sections"), 0), blocks, num_padded


def _padding(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A row of the expert's own, once more, in place of padding."""
    rows, blocks, num_padded = outputs
    count, block = contents["ids"].numel(), len(rows) // len(blocks)
    inside = torch.arange(len(rows), device=rows.device) < num_padded
    at = _any(inside & (rows == count), random, "padding")
    return _with_row(rows, at, int(rows[at // block * block])), blocks, num_padded


def _range(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A row dropped, padding in its place."""
    rows, blocks, num_padded = outputs
    count = contents["ids"].numel()
    return _with_row(rows, _any(rows < count, random, "a row"), count), blocks, num_padded


def _home(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Two rows of different experts change places."""
    rows, blocks, num_padded = outputs
    ids = contents["ids"].flatten()
    holds = rows < ids.numel()
    chosen = ids[rows.long().clamp_max(ids.numel() - 1)]
    one = _any(holds, random, "a row")
    other = _any(holds & (chosen != chosen[one]), random, "a row of another expert")
    return _with_row(_with_row(rows, one, int(rows[other])), other, int(rows[one])), blocks, num_padded


def _once(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """A row in place of its neighbour of the same expert."""
    rows, blocks, num_padded = outputs
    ids = contents["ids"].flatten()
    holds = rows < ids.numel()
    chosen = ids[rows.long().clamp_max(ids.numel() - 1)]
    pairs = holds[1:] & holds[:-1] & (chosen[1:] == chosen[:-1])
    at = _any(pairs, random, "an expert of two rows")
    return _with_row(rows, at, int(rows[at + 1])), blocks, num_padded


def _with_row(rows: Tensor, at: int, row: int) -> Tensor:
    spoiled = rows.clone()
    spoiled[at] = row
    return spoiled


def _any(suitable: Tensor, random: Generator, what: str) -> int:
    """One of the places that suit.

    Raises:
        ValueError: none does.
    """
    places = suitable.nonzero().flatten()
    if not len(places):
        raise ValueError(f"these outputs have no place with {what}: spoil those of the audit case")
    return int(places[torch.randint(len(places), (1,), generator=random, device=random.device)])


SPOILS: Mapping[str, Spoil] = {
    "count": _count,
    "blocks": _blocks,
    "unused": _unused,
    "tail": _tail,
    "padding": _padding,
    "range": _range,
    "home": _home,
    "once": _once,
}
