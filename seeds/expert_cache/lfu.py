"""Least frequently used: what the fewest forward passes have needed so far leaves first; nothing is fetched ahead.

Source: the policy "lfu" of the replay of BigMoeOnEdge (github.com/Helldez/BigMoeOnEdge, docs/bench-data); counts are
kept for experts that have left. Equal ones leave by recency.
"""

import numpy as np

# What is wanted soon is worth more than anything that is kept.
ABOVE = 2.0

# Lasts as long as a session.
MEMORY: dict[str, np.ndarray] = {}


def note(step: int, layer: int, ids: np.ndarray, weights: np.ndarray, state: np.ndarray) -> None:
    """Count the forward passes that used each expert."""
    count = MEMORY.setdefault("count", np.zeros(state.shape))
    count[layer, np.unique(ids)] += 1


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). The more often it was used, the more."""
    count = MEMORY["count"]
    kept: np.ndarray = count / count.max()
    return kept


def fetch(guess: np.ndarray, layer: int, state: np.ndarray) -> np.ndarray:
    """What will be needed soon, 0 to 1: (layers, experts). Nothing is fetched ahead."""
    return np.zeros(state.shape)


def merge(kept: np.ndarray, wanted: np.ndarray, state: np.ndarray) -> np.ndarray:
    """One value for all: first what is wanted soon, then what is on the GPU; nothing else is fetched."""
    return np.where(wanted > 0, ABOVE + wanted, np.where(state > 0, kept, -1.0))


def value(
    step: int,
    layer: int,
    ids: np.ndarray,
    weights: np.ndarray,
    guess: np.ndarray,
    state: np.ndarray,
    load_seconds: np.ndarray,
    compute_seconds: float,
) -> np.ndarray:
    """Value every expert, float32 (layers, experts): the lowest leave, those not on the GPU and above 0 are fetched."""
    note(step, layer, ids, weights, state)
    kept = keep(layer, state)
    wanted = fetch(guess, layer, state)
    return merge(kept, wanted, state).astype(np.float32)
