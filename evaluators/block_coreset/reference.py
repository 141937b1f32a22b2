"""The reference: local search by exchanges of one expert, from several starts and after kicks, without a clock.

Starts are greedy by three concave values of what a token keeps. An exchange is the best of all pairs of one chosen
and one other expert. After that some experts are exchanged at random and the search goes on from there; the best
choice met counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluators.block_coreset.blocks import Values
from evaluators.block_coreset.measures import kept, rank

REFERENCE_VERSION = 1
"""Raise with every change of what it finds."""

KICKS = 16
"""How often the search goes on from a disturbed best choice."""

KICK_SIZES = (2, 5)
"""Fewest and most experts that a kick exchanges."""

MOST_EXCHANGES = 200
"""Of one descent."""

EVEN, HALF = 6.0, 0.5
"""Greedy starts value what a token keeps, m, by sqrt(m), min(m, HALF) and -exp(-EVEN m)."""

Mask = NDArray[np.bool_]


def best_choice(mass: Values, budget: int) -> Mask:
    """The best choice met, bool ``(distinct,)``, for a mass ``(tokens, distinct)``."""
    rng = np.random.default_rng(0)
    best, best_value = np.zeros(mass.shape[1], dtype=bool), -1.0
    starts = [greedy(mass, budget, value) for value in (np.sqrt, _half, _even)]
    for attempt in range(len(starts) + KICKS):
        chosen = starts[attempt] if attempt < len(starts) else _kicked(best, rng)
        chosen = exchange(mass, chosen)
        value = kept(mass, chosen).objective
        if value > best_value:
            best, best_value = chosen, value
    return best


def greedy(mass: Values, budget: int, value: Callable[[Values], Values]) -> Mask:
    """Add the expert that raises the sum of a value of what the tokens keep most, until the budget is spent."""
    chosen, held = np.zeros(mass.shape[1], dtype=bool), np.zeros(len(mass))
    for _ in range(budget):
        gain = value(held[:, None] + mass).sum(axis=0)
        gain[chosen] = -np.inf
        expert = int(gain.argmax())
        chosen[expert] = True
        held += mass[:, expert]
    return chosen


def exchange(mass: Values, chosen: Mask) -> Mask:
    """Exchange one chosen expert for another while that raises the objective, the best exchange each time."""
    chosen, place = chosen.copy(), rank(len(mass)) - 1
    value = kept(mass, chosen).objective
    for _ in range(MOST_EXCHANGES):
        out, into = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        if not into.size:
            break
        without = mass[:, chosen].sum(axis=1) - mass.T[out]
        held = without[:, None, :] + mass.T[into]
        values = held.mean(axis=2) + np.partition(held, place, axis=2)[:, :, place]
        best = int(values.argmax())
        if values.flat[best] <= value + 1e-12:
            break
        value = float(values.flat[best])
        chosen[out[best // len(into)]], chosen[into[best % len(into)]] = False, True
    return chosen


def _kicked(chosen: Mask, rng: np.random.Generator) -> Mask:
    """Exchange a few experts at random."""
    out, into = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    size = min(int(rng.integers(*KICK_SIZES, endpoint=True)), len(out), len(into))
    kicked = chosen.copy()
    kicked[rng.choice(out, size, replace=False)] = False
    kicked[rng.choice(into, size, replace=False)] = True
    return kicked


def _half(held: Values) -> Values:
    return np.minimum(held, HALF)


def _even(held: Values) -> Values:
    value: Values = -np.exp(-EVEN * held)
    return value
