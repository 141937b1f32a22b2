"""Top-p: every token visits its best experts until they hold the share p of its gate mass.

Source: Huang et al., "Harder Tasks Need More Experts: Dynamic Routing in MoE Models", arXiv 2403.07652. The share is of
the mass of the top_k best experts here, which all that the model was trained with would visit. The paper fixes p; under
a budget p has to follow from it, so each call takes the p that spends what is left evenly over what is to come.
"""

import numpy as np


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
    tokens, experts = scores.shape
    ranks = ranked(scores, top_k)
    mass = np.take_along_axis(scores, ranks, axis=1).astype(np.float64)
    mass /= mass.sum(axis=1, keepdims=True)
    # A token visits its next expert while what it has is below p: what is still missing exceeds 1 - p.
    missing = 1 - (np.cumsum(mass, axis=1) - mass)
    visits = min(most, visits_left * tokens // places_left)
    return marked(ranks, counts_at(missing, spending(missing, visits)), experts).astype(np.int8)
