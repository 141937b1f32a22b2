"""Greedy on a concave value of what each token keeps, so that tokens with little count more than tokens with much.

Source: the greedy algorithm for monotone submodular functions under a budget, which comes within 1 - 1/e of the best
value of that function (Nemhauser, Wolsey, Fisher, Mathematical Programming 14, 1978); a concave function of a sum is
submodular. With the power 1 it is DES-Vote; the square root is a usual middle between the mean and the minimum.
"""

import numpy as np

# What a token that keeps the mass m counts: m ** POWER.
POWER = 0.5  # tune: float 0.05 1.0


def mass_of(ids: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The block's experts, rising (distinct,), and each token's gate mass on them, float64 (tokens, distinct)."""
    experts, place = np.unique(ids, return_inverse=True)
    mass = np.zeros((len(ids), len(experts)))
    mass[np.arange(len(ids))[:, None], place.reshape(ids.shape)] = weights
    return experts, mass


def value(held: np.ndarray) -> np.ndarray:
    """What tokens count that keep so much of their gate mass."""
    return held**POWER if POWER != 0.5 else np.sqrt(held)


def grow(mass: np.ndarray, budget: int) -> np.ndarray:
    """Add the expert that raises the sum of values most, one after the other: bool (distinct,)."""
    chosen = np.zeros(mass.shape[1], dtype=bool)
    held = np.zeros((len(mass), 1))
    for _ in range(budget):
        worth = value(held + mass).sum(axis=0)
        worth[chosen] = -np.inf
        expert = int(worth.argmax())
        chosen[expert] = True
        held += mass[:, expert, None]
    return chosen


def select(ids: np.ndarray, weights: np.ndarray, budget: int) -> np.ndarray:
    """Choose the experts to load: different ones of the block, int32 (budget,)."""
    experts, mass = mass_of(ids, weights)
    return experts[grow(mass, budget)].astype(np.int32)
