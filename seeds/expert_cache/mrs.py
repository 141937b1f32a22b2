"""Minus recent score: what the router has scored lowest of late leaves first; nothing is fetched ahead.

Source: HybriMoE (arXiv:2504.05897, section IV-D): S = a x TopP(s) + (1 - a) x S at every visit of a layer, with the
scores s of its best experts. A policy is told the gate weights of the chosen experts alone, so these are the best.
"""

import numpy as np

# What is wanted soon is worth more than anything that is kept.
ABOVE = 2.0

# Lasts as long as a session.
MEMORY: dict[str, np.ndarray] = {}

# The weight of the newest scores in the average.
RECENT = 0.1  # tune: float 0.005 0.5


def note(step: int, layer: int, ids: np.ndarray, weights: np.ndarray, state: np.ndarray) -> None:
    """Average the gate weights of the layer's experts over its visits, the recent ones weighing most."""
    score = MEMORY.setdefault("score", np.zeros(state.shape))
    new = np.bincount(ids.ravel(), weights.ravel(), minlength=state.shape[1]) / len(ids)
    score[layer] += RECENT * (new - score[layer])


def keep(layer: int, state: np.ndarray) -> np.ndarray:
    """How much each expert deserves its place, 0 to 1: (layers, experts). Its average score."""
    return MEMORY["score"]


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
