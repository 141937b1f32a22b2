"""Cross-layer prefetching with a cache that favours shallow layers, which nobody can guess.

Source: Fate (arXiv:2502.12224): the next layer's gate is applied to this layer's input to fetch ahead, and the first
layers, for which that comes too late or not at all, get more of the cache. Fate orders the cache by ARC, which weighs
recency against frequency; here it is the mean of both.
"""

import numpy as np

# What is wanted soon is worth more than anything that is kept.
ABOVE = 2.0

# Lasts as long as a session.
MEMORY: dict[str, np.ndarray] = {}

# The weight of recency against frequency.
RECENCY = 0.5  # tune: float 0 1

# How many layers are shallow, and what they are given.
SHALLOW_LAYERS = 1  # tune: int 0 4
SHALLOW = 0.2  # tune: float 0 1


def note(step: int, layer: int, ids: np.ndarray, weights: np.ndarray, state: np.ndarray) -> None:
    """Remember when each expert was last used, counted in visits of layers; within one the later tokens count more."""
    used = MEMORY.get("used")
    if used is None or used.shape != state.shape:
        used = MEMORY["used"] = np.zeros(state.shape)
    used[layer, ids.ravel()] = step * len(state) + layer + np.arange(1, ids.size + 1) / ids.size
    count = MEMORY.setdefault("count", np.zeros(state.shape))
    count[layer, np.unique(ids)] += 1


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). Recency, frequency, and a shallow layer."""
    used, count = MEMORY["used"], MEMORY["count"]
    kept: np.ndarray = RECENCY * used / used.max() + (1 - RECENCY) * count / count.max()
    kept[:SHALLOW_LAYERS] += SHALLOW
    return kept


def fetch(guess: np.ndarray, layer: int, state: np.ndarray) -> np.ndarray:
    """What will be needed soon, 0 to 1: (layers, experts). The guess of the next layer, by its share of the tokens."""
    wanted = np.zeros(state.shape)
    if guess[0, 0] >= 0:
        wanted[layer + 1] = np.bincount(guess.ravel(), minlength=state.shape[1]) / len(guess)
    return wanted


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
