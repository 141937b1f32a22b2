"""Experts in order, spare slots filled by wrapping round; looks at no load.

Source: the layout with which vLLM (EplbState, initial physical to logical map) and SGLang
(ExpertLocationMetadata, trivial initialisation) start before they have seen any load: slot r holds expert
r mod experts. Never moves anything.
"""

import numpy as np


def forecast(history: np.ndarray) -> np.ndarray:
    """Expect the last window to repeat: tokens (layers, experts)."""
    return np.asarray(history[-1], dtype=np.float64)


def replicate(load: np.ndarray, num_slots: int) -> np.ndarray:
    """Share the slots out evenly, the remainder to the first experts: copies (layers, experts)."""
    experts = load.shape[1]
    counts = np.full(load.shape, num_slots // experts, dtype=np.int64)
    counts[:, : num_slots % experts] += 1
    return counts


def pack(load: np.ndarray, counts: np.ndarray, num_gpus: int) -> np.ndarray:
    """Lay out the first copy of every expert in order, then the second copies: experts (layers, slots)."""
    layers, experts = load.shape
    every = np.tile(np.arange(experts), (layers, 1))
    copies = np.repeat(every.ravel(), counts.ravel()).reshape(layers, -1)
    first = np.cumsum(counts, axis=1) - counts
    turn = np.arange(copies.shape[1]) - np.take_along_axis(first, copies, axis=1)
    return np.take_along_axis(copies, np.argsort(turn, axis=1, kind="stable"), axis=1)


def plan(
    history: np.ndarray,
    previous: np.ndarray | None,
    num_slots: int,
    num_gpus: int,
    num_nodes: int,
) -> np.ndarray:
    """Plan the next window: expert in every slot, int32 (layers, slots); slots are grouped by GPU."""
    load = forecast(history)
    counts = replicate(load, num_slots)
    slots = pack(load, counts, num_gpus)
    return slots.astype(np.int32)
