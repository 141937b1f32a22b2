"""The value that every source of routing produces for this problem: counts by period, and how tokens become counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model on one machine, period by period.

    Args:
        name: unique within its block.
        transitions: unsigned ``(periods, layers - 1, experts, experts)``, tokens of a period that visited the one
            expert and then the other.
        load: unsigned ``(periods, layers, experts)``, tokens of a period that visited the expert.
        num_gpus: GPUs, a divisor of ``experts`` and a multiple of ``num_nodes``.
        num_nodes: servers that hold the GPUs.
        gate_seconds: how long one placement may take.
        warm_periods: how many leading periods are past only; each later one is placed for and scored.
        stratum: the law that it was drawn from; empty where it is the only draw.
    """

    name: str
    transitions: NDArray[np.unsignedinteger[Any]]
    load: NDArray[np.unsignedinteger[Any]]
    num_gpus: int
    num_nodes: int
    gate_seconds: float
    warm_periods: int = 1
    stratum: str = ""

    @property
    def scored(self) -> range:
        """Numbers of the periods that are placed for."""
        return range(self.warm_periods, len(self.load))

    def past(self, period: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Transitions and load of all periods before this one together, as a candidate sees them."""
        transitions = np.zeros(self.transitions.shape[1:], dtype=np.float32)
        for earlier in self.transitions[:period]:
            transitions += earlier
        return transitions, self.load[:period].sum(axis=0, dtype=np.float32)


def gate_seconds(layers: int, experts: int) -> float:
    """How long one placement may take: 0.2 s and 0.3 s for each 2^20 cells of the transition table, at most 0.7 s."""
    return round(min(0.7, 0.2 + 0.3 * layers * experts * experts / 2**20), 3)


def count(periods: Sequence[Ids], experts: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Count transitions ``(periods, layers - 1, experts, experts)`` and load ``(periods, layers, experts)``.

    Args:
        periods: ``(tokens, layers, top_k)`` each, different experts in a layer.
        experts: routed experts per layer.

    Returns:
        uint16 arrays, or uint32 where a period holds more tokens than those can count.
    """
    layers = periods[0].shape[1]
    most = max(len(ids) for ids in periods)
    dtype = np.uint16 if most < 2**16 else np.uint32
    transitions = np.empty((len(periods), layers - 1, experts, experts), dtype=dtype)
    load = np.empty((len(periods), layers, experts), dtype=dtype)
    for period, ids in enumerate(periods):
        wide = ids.astype(np.int64)
        load[period] = _tally(wide.transpose(1, 0, 2).reshape(layers, -1), experts)
        for layer in range(1, layers):
            # Every expert of the layer before with every one of this layer, token by token.
            pairs = wide[:, layer - 1, :, None] * experts + wide[:, layer, None, :]
            counts = np.bincount(pairs.ravel(), minlength=experts * experts)
            transitions[period, layer - 1] = counts.reshape(experts, experts)
    return transitions, load


def _tally(rows: NDArray[np.int64], experts: int) -> NDArray[np.int64]:
    """How often each expert stands in each row."""
    keys = rows + np.arange(len(rows))[:, None] * experts
    return np.bincount(keys.ravel(), minlength=len(rows) * experts).reshape(len(rows), experts)
