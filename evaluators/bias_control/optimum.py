"""The best biases of a batch that is known, and a proven bound on what any assignment reaches.

Let s be the affinities of n tokens, m experts of which a token visits k, S the mass of the tokens' best, C = n k / m
the mean load. With x[i, j] = 1 where token i visits expert j, the objective of a batch is at most the value of

    max  sum(s * x) / S - mu * v   over  0 <= x <= 1,  sum over j of x[i, j] = k,  sum over i of x[i, j] <= (1 + v) C,

a linear program that leaves out that a visit is whole and that visits follow from biases. By weak duality every q >= 0
with C * sum(q) <= mu * S bounds it from above (the last condition is what makes v drop out):

    D(q) = (sum over tokens of the k largest of s[i, :] - q, plus C * sum(q)) / S.

Routing by the bias -q attains a subgradient of S * D, the mean load minus the loads, and an objective of its own. So
each round narrows the optimum from both sides; steps are Polyak's with the best objective so far as the target (Polyak,
Introduction to Optimization, 1987, section 5.3), projected onto the legal q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.bias_control.measures import MU, Affinity, best_mass, routed

OPTIMUM_VERSION = 1
"""Raise with every change of the search below: it decides what a score of 100 is."""

MOST_ROUNDS = 30
CLOSE = 1e-3
"""The search ends when bound and objective are so close: 0.1 % of the gate mass."""

SHORTER = 0.75
"""Factor of the step after a round that did not lower the bound."""

Prices = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What is known about the best biases of a batch.

    Args:
        objective: of the best biases found, as the judge routes.
        bound: no assignment has a higher one.
        prices: float64 ``(experts,)``, minus those biases.
        dual: float64 ``(experts,)``, the prices that give the bound, to start the next batch from.
    """

    objective: float
    bound: float
    prices: Prices
    dual: Prices


def optimum(affinity: Affinity, top_k: int, start: Prices) -> Optimum:
    """Search from these prices, ``(experts,)``."""
    tokens, experts = affinity.shape
    scores = affinity.astype(np.float64)
    mass, mean = best_mass(scores, top_k), tokens * top_k / experts
    budget = MU * mass / mean
    prices = _project(start, budget)
    best = dual = prices
    bound, objective, length = np.inf, -np.inf, 1.0
    for _ in range(MOST_ROUNDS):
        reached, load = _top(affinity - prices.astype(np.float32), top_k)
        value = (reached + mean * prices.sum()) / mass
        found = (reached + load @ prices) / mass - MU * (load.max() / mean - 1)
        if found > objective:
            objective, best = found, prices
        if value < bound:
            bound, dual = value, prices
        else:
            length *= SHORTER
        if bound - objective < CLOSE:
            break
        slope = mean - load
        step = length * (value - objective) * mass / max(float(slope @ slope), 1e-12)
        prices = _project(prices - step * slope, budget)
    # The search is in single precision; what it ends with is worth what double precision says, by the judge's routing.
    proven = (_top(scores - dual, top_k)[0] + mean * float(dual.sum())) / mass
    exact = routed(affinity, (-best).astype(np.float32), top_k).objective
    return Optimum(objective=exact, bound=proven, prices=best, dual=dual)


def _top(scores: NDArray[np.floating[Any]], top_k: int) -> tuple[float, NDArray[np.int64]]:
    """Sum of each token's ``top_k`` largest, and how many tokens each expert gets; tied experts all get the token."""
    place = scores.shape[1] - top_k
    largest = np.partition(scores, place, axis=1)[:, place:]
    return float(largest.sum(dtype=np.float64)), (scores >= largest[:, :1]).sum(axis=0)


def _project(prices: Prices, budget: float) -> Prices:
    """The nearest prices that are not negative and sum to no more than the budget."""
    positive = np.maximum(prices, 0)
    if positive.sum() <= budget:
        return positive
    falling = np.sort(positive)[::-1]
    excess = (np.cumsum(falling) - budget) / np.arange(1, len(falling) + 1)
    cut = excess[np.flatnonzero(falling > excess)[-1]]
    projected: Prices = np.maximum(positive - cut, 0)
    return projected
