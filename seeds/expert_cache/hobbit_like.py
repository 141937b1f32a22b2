"""A weighted sum of recency, frequency, frequency of important uses, and nearness of the layer.

Source: the multidimensional cache of HOBBIT (arXiv:2411.01433, section 3.4, equation 3); its records begin anew with
every request. There an important use is one at high precision; here it is one with more than an even gate weight.
"""

import numpy as np

# What is wanted soon is worth more than anything that is kept.
ABOVE = 2.0

# Lasts as long as a session.
MEMORY: dict[str, np.ndarray] = {}

# Weights of recency, frequency, important uses and nearness; the paper fits them to the model.
LRU = 0.3  # tune: float 0 1
LFU = 0.4  # tune: float 0 1
LHU = 0.2  # tune: float 0 1
FLD = 0.1  # tune: float 0 1


def note(step: int, layer: int, ids: np.ndarray, weights: np.ndarray, state: np.ndarray) -> None:
    """Remember the token of the last use, and count uses and important uses, within the request."""
    if not MEMORY or (layer == 0 and len(ids) > 1):  # a prompt begins a request
        MEMORY.update({name: np.zeros(state.shape) for name in ("used", "count", "high")}, tokens=np.zeros(1))
    if layer == 0:
        MEMORY["tokens"] += len(ids)
    MEMORY["used"][layer, ids.ravel()] = MEMORY["tokens"][0]
    MEMORY["count"][layer] += np.bincount(ids.ravel(), minlength=state.shape[1])
    important = ids[weights * ids.shape[1] > 1]
    MEMORY["high"][layer] += np.bincount(important, minlength=state.shape[1])


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). The weighted sum."""
    layers = len(state)
    near = 1 - (np.arange(layers) - layer) % layers / layers
    sums = LRU * MEMORY["used"] + LFU * MEMORY["count"] + LHU * MEMORY["high"]
    kept: np.ndarray = sums / max(1.0, MEMORY["tokens"][0]) + FLD * near[:, None]
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
