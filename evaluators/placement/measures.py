"""Everything that the judge derives from a placement.

A placement is an int32 array ``(layers, experts)``: the GPU of each expert; GPU ``g`` is in node
``g // (gpus // nodes)``. ``transitions[l, i, j]`` counts the tokens that visited expert i of layer l and expert j of
layer l + 1, ``load[l, e]`` those that visited e.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.replies import Expected, Rule

Placement = NDArray[np.int32]
Counts = NDArray[np.number[Any]]
Values = NDArray[np.float64]

ALPHA = 0.4
"""Time of a move to another GPU of the node, over that of computing one visit (see seeds/placement/statement.md)."""

BETA = 0.9
"""What a move to another node takes longer, in the same unit."""

GAMMA = 1.0
"""All GPUs wait for the busiest: its excess load over the mean is computed in vain by the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a placement costs on counts; shares in 0..1.

    Args:
        crossing: share of the moves between consecutive layers that end on another GPU, mean over pairs of layers.
        leaving: share that end on another node.
        imbalance: maximal over mean GPU load minus 1, mean over layers.
    """

    crossing: float
    leaving: float
    imbalance: float

    @property
    def objective(self) -> float:
        """Minus the time lost per visit, in units of computing one visit."""
        return -(ALPHA * self.crossing + BETA * self.leaving + GAMMA * self.imbalance)


def placement_form(layers: int, experts: int, num_gpus: int) -> Expected:
    """The form of a legal placement: int32 ``(layers, experts)`` with equally many experts on every GPU."""
    return Expected(
        what="the placement",
        dtype="int32",
        shape=(layers, experts),
        low=0,
        high=num_gpus - 1,
        values="GPUs",
        rules=(
            Rule(
                name="experts / num_gpus experts on every GPU",
                fault=partial(_crowded_gpu, num_gpus),
                spoil=_crowd,
            ),
        ),
    )


def _crowded_gpu(num_gpus: int, placement: Placement) -> str | None:
    room = placement.shape[1] // num_gpus
    held = (placement[:, :, None] == np.arange(num_gpus)).sum(axis=1)
    if (held <= room).all():  # then no GPU can hold fewer either
        return None
    layer, gpu = np.argwhere(held > room)[0]
    return f"GPU {gpu} holds {held[layer, gpu]} experts in layer {layer}, not {room}"


def _crowd(placement: Placement, rng: np.random.Generator) -> Placement:
    """Move one expert to another GPU, and none back."""
    spoilt = placement.copy()
    layer, expert = rng.integers(placement.shape[0]), rng.integers(placement.shape[1])
    others = np.setdiff1d(placement[layer], placement[layer, expert])
    spoilt[layer, expert] = rng.choice(others)
    return spoilt


def costs(placement: Placement, transitions: Counts, load: Counts, num_gpus: int, num_nodes: int) -> Costs:
    """What a placement costs on these counts; a pair of layers without a token crosses nothing."""
    node = placement // (num_gpus // num_nodes)
    return Costs(
        crossing=1 - float(kept(placement, transitions).mean()),
        leaving=1 - float(kept(node, transitions).mean()) if num_nodes > 1 else 0.0,
        imbalance=float(peaks(placement, load, num_gpus).mean()) - 1,
    )


def kept(places: NDArray[np.integer[Any]], transitions: Counts) -> Values:
    """Share of the moves between each pair of consecutive layers that stay in one place, ``(layers - 1,)``.

    Args:
        places: ``(layers, experts)``, GPU or node of each expert.
        transitions: counts ``(layers - 1, experts, experts)``.
    """
    pairs, experts = transitions.shape[:2]
    flat = transitions.reshape(pairs, -1)
    stays = (places[:-1, :, None] == places[1:, None, :]).reshape(pairs, experts * experts)
    total = flat.sum(axis=1, dtype=np.float64)
    inside = np.where(stays, flat, 0).sum(axis=1, dtype=np.float64)
    shares: Values = np.divide(inside, total, out=np.ones_like(total), where=total > 0)
    return shares


def gpu_loads(placement: Placement, load: Counts, num_gpus: int) -> Values:
    """Load of every GPU, ``(layers, gpus)``."""
    layers = len(placement)
    keys = placement + np.arange(layers)[:, None] * num_gpus
    weights = load.ravel().astype(np.float64)
    sums: Values = np.bincount(keys.ravel(), weights=weights, minlength=layers * num_gpus).astype(np.float64)
    return sums.reshape(layers, num_gpus)


def peaks(placement: Placement, load: Counts, num_gpus: int) -> Values:
    """Maximal over mean GPU load of each layer, ``(layers,)``, at least 1; 1 for a layer without load."""
    loads = gpu_loads(placement, load, num_gpus)
    mean = loads.mean(axis=1)
    ratio: Values = np.divide(loads.max(axis=1), mean, out=np.ones_like(mean), where=mean > 0)
    return ratio
