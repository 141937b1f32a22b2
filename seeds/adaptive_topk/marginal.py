"""A price of visits: every token visits experts as long as the next one saves more squared lost mass than the price.

Source: the threshold policy of the stochastic knapsack with a bid price that follows the remaining budget (Talluri and
van Ryzin, Management Science 44, 1998); here the worth of a visit is what it takes off the objective. The price is
the one at which the calls of recent steps, taken together over all layers, would have spent what is left evenly, so
that flat layers may spend more than steep ones.
"""

from collections import deque

import numpy as np

STEPS = 6  # tune: int 1 16

# Worth of the visits that recent calls could have made, (tokens, top_k) each.
recent: deque[np.ndarray] = deque()
before = {"places_left": 0}


def ranked(scores: np.ndarray, most_each: int) -> np.ndarray:
    """Each token's best experts, falling: int (tokens, most_each)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :most_each]


def marked(ranks: np.ndarray, counts: np.ndarray, experts: int) -> np.ndarray:
    """Let every token visit so many of its best experts: bool (tokens, experts)."""
    mask = np.zeros((len(ranks), experts), dtype=bool)
    np.put_along_axis(mask, ranks, np.arange(ranks.shape[1]) < counts[:, None], axis=1)
    return mask


def counts_at(values: np.ndarray, least: float) -> np.ndarray:
    """How many leading visits of each token are worth more than that, at least one: int (tokens,)."""
    return np.maximum(1, (values > least).sum(axis=1))


def spending(values: np.ndarray, visits: int) -> float:
    """The threshold at which tokens make at most so many visits, for values that fall along each row."""
    others = np.sort(values[:, 1:], axis=None)[::-1]  # the first of each token comes in any case
    extra = visits - len(values)
    return float(others[extra]) if 0 <= extra < len(others) else (np.inf if extra < 0 else -np.inf)


def worth(scores: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Squared lost mass that each token's next best expert saves: float64 (tokens, top_k), falling."""
    mass = np.take_along_axis(scores, ranks, axis=1).astype(np.float64)
    mass /= mass.sum(axis=1, keepdims=True)
    lost = 1 - (np.cumsum(mass, axis=1) - mass)
    return mass * (2 * lost - mass)


def select(
    scores: np.ndarray,
    layer: int,
    num_layers: int,
    top_k: int,
    num_gpus: int,
    budget: float,
    visits_left: int,
    places_left: int,
    most: int,
) -> np.ndarray:
    """Choose the experts that every token of this call visits: 1 or 0, int8 (tokens, experts)."""
    experts = scores.shape[1]
    ranks = ranked(scores, top_k)
    values = worth(scores, ranks)
    if places_left > before["places_left"]:  # a new stream
        recent.clear()
    before["places_left"] = places_left
    recent.append(values)
    while len(recent) > STEPS * num_layers:
        recent.popleft()
    seen = np.concatenate(recent)
    # Until every layer was met, the price of the layers that were would be wrong for the others.
    pool = seen if len(recent) >= num_layers else values
    price = spending(pool, int(visits_left / places_left * len(pool)))
    counts = counts_at(values, price)
    if counts.sum() > most:
        counts = counts_at(values, spending(values, most))
    return marked(ranks, counts, experts).astype(np.int8)
