"""Least frequently used within a layer: every layer has an equal share of the cache, and loses its own experts.

Source: the policy "layerlfu" of the replay of BigMoeOnEdge (github.com/Helldez/BigMoeOnEdge, docs/bench-data), which
is the best of those published there: a layer that has just been visited is the last to come again, and a global order
would empty the layers that come next.
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
    held = MEMORY["held"] = (state > 0).sum(axis=1)
    MEMORY.setdefault("share", np.full(len(held), held.sum() / len(held)))
    held[layer] += np.count_nonzero(state[layer, np.unique(ids)] == 0)


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). Layers beyond their share lose first."""
    count = MEMORY["count"]
    within = MEMORY["held"] <= MEMORY["share"]
    kept: np.ndarray = (count / count.max() + within[:, None]) / 2
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
