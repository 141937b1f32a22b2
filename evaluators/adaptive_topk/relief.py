"""Relieves the busiest GPUs of a call, visit by visit, as far as that pays; makes the reference better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.adaptive_topk.measures import TIME_PRICE, Mask
from evaluators.adaptive_topk.streams import Values

RELIEF_VERSION = 1
"""Raise with every change of what comes out."""

MOST_ROUNDS = 64
"""Of one call."""


def relieved(mass: Values, mask: Mask, gpus: int, even: float, price: float) -> Mask:
    """Take one visit from each of the busiest GPUs at a time, as long as the call is worth more afterwards.

    Args:
        mass: ``(tokens, experts)``; see `TokenStream.mass`.
        mask: ``(tokens, experts)``, legal.
        gpus: over which experts are spread evenly, in order.
        even: visits of a GPU if the budget were spent evenly.
        price: what a visit that is left out is worth elsewhere, in units of the call's objective.
    """
    current = mask.copy()
    for _ in range(MOST_ROUNDS):
        loads = current.sum(axis=0).reshape(gpus, -1).sum(axis=1)
        busiest = np.flatnonzero(loads == loads.max())
        takers = np.repeat(loads < loads.max() - 1, mass.shape[1] // gpus)
        trial, gain = current.copy(), TIME_PRICE / even
        for gpu in busiest:
            cost = _take(mass, trial, int(gpu), gpus, takers, price)
            gain -= cost
        if gain <= 1e-12:
            break
        after = trial.sum(axis=0).reshape(gpus, -1).sum(axis=1)
        if after.max() >= loads.max():
            break
        current = trial
    return current


def _take(mass: Values, mask: Mask, gpu: int, gpus: int, takers: NDArray[np.bool_], price: float) -> float:
    """Move or leave out the visit to this GPU that costs least, in place; what it costs, infinite if there is none."""
    tokens, experts = mass.shape
    per_gpu = experts // gpus
    lost = np.maximum(0, 1 - np.where(mask, mass, 0).sum(axis=1))
    others = np.where(mask | ~takers, -np.inf, mass)
    instead = others.argmax(axis=1)
    substitute = others.max(axis=1)
    several = mask.sum(axis=1) > 1
    best, move = np.inf, (-1, -1, False)
    for token, place in np.argwhere(mask[:, gpu * per_gpu : (gpu + 1) * per_gpu]):
        expert = gpu * per_gpu + int(place)
        without = lost[token] + mass[token, expert]
        moved = max(0.0, without - substitute[token]) ** 2 - lost[token] ** 2
        dropped = without**2 - lost[token] ** 2 if several[token] else np.inf
        for cost, stays in ((moved / tokens, True), (dropped / tokens - price, False)):
            if np.isfinite(cost) and cost < best:
                best, move = float(cost), (int(token), expert, stays)
    token, expert, stays = move
    if token >= 0:
        mask[token, expert] = False
        if stays:
            mask[token, instead[token]] = True
    return best
