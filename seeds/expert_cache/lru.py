"""Least recently used: what has not been needed for longest leaves first; nothing is fetched ahead.

Source: the expert cache of A. Eliseev and D. Mazur, Fast inference of mixture-of-experts language models with
offloading (arXiv:2312.17238, section 3.1), over all layers together.
"""

import numpy as np

# What is wanted soon is worth more than anything that is kept.
ABOVE = 2.0

# Lasts as long as a session.
MEMORY: dict[str, np.ndarray] = {}


def note(step: int, layer: int, ids: np.ndarray, weights: np.ndarray, state: np.ndarray) -> None:
    """Remember when each expert was last used, counted in visits of layers; within one the later tokens count more."""
    used = MEMORY.get("used")
    if used is None or used.shape != state.shape:
        used = MEMORY["used"] = np.zeros(state.shape)
    used[layer, ids.ravel()] = step * len(state) + layer + np.arange(1, ids.size + 1) / ids.size


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). The later it was used, the more."""
    used = MEMORY["used"]
    kept: np.ndarray = used / used.max()
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
