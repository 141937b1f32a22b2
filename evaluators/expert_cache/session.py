"""What a policy meets: the layers that a stretch of requests visits, one after the other, on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Weights = NDArray[np.float32]
Sizes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One forward pass through one MoE layer.

    Args:
        step: number of the forward pass within its session, from 0.
        layer: the layer.
        ids: int32 ``(tokens, top_k)``, experts that each token of the pass visits; one token when decoding.
        weights: float32 ``(tokens, top_k)``, their gate weights.
        guess: int32 ``(tokens, top_k)``, different experts of the next layer that its router chooses when it is shown
            this layer's input, some of them wrong; -1 everywhere at the last layer, whose successor is another token's.
        compute_seconds: how long the layer takes once its experts are there, until the next router has decided.
    """

    step: int
    layer: int
    ids: Ids
    weights: Weights
    guess: Ids
    compute_seconds: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """Requests that follow one another on a machine whose GPU holds only some experts.

    Not slotted, because it keeps what it derives.

    Args:
        name: unique within its block.
        stratum: the law that it was drawn from.
        experts: routed experts per layer.
        expert_bytes: int64 ``(layers,)``, bytes of one expert of each layer.
        capacity_bytes: bytes of experts that the GPU can hold.
        link_bytes_per_second: speed of the one link over which experts come.
        visits: in the order in which they happen.
        cached: bool ``(layers, experts)``, what the GPU holds at first.
        gate_seconds: how long one call may take.
    """

    name: str
    stratum: str
    experts: int
    expert_bytes: Sizes
    capacity_bytes: int
    link_bytes_per_second: float
    visits: tuple[Visit, ...]
    cached: Mask
    gate_seconds: float

    @property
    def layers(self) -> int:
        """MoE layers."""
        return len(self.expert_bytes)

    @property
    def steps(self) -> int:
        """Forward passes."""
        return self.visits[-1].step + 1

    @cached_property
    def needed(self) -> tuple[NDArray[np.int64], ...]:
        """The different experts of each visit, rising, numbered ``layer * experts + expert``."""
        return tuple(np.unique(visit.ids).astype(np.int64) + visit.layer * self.experts for visit in self.visits)

    @cached_property
    def requested_bytes(self) -> NDArray[np.int64]:
        """Bytes that each visit needs on the GPU, ``(visits,)``."""
        sizes = [len(own) * self.expert_bytes[visit.layer] for own, visit in zip(self.needed, self.visits, strict=True)]
        return np.array(sizes, dtype=np.int64)

    @cached_property
    def load_seconds(self) -> Weights:
        """Seconds that one expert of each layer takes on the link, float32 ``(layers,)``."""
        return (self.expert_bytes / self.link_bytes_per_second).astype(np.float32)

    @property
    def uncached_seconds(self) -> float:
        """Stall without any cache: the link time of all that is needed."""
        return float(self.requested_bytes.sum()) / self.link_bytes_per_second
