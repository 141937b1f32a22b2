"""AdaMoE: null experts with a score of their own compete for each token's top k; whoever loses to them is not visited.

Source: Zeng, Miao, Gao, Zhang, Deng, "AdaMoE: Token-Adaptive Routing with Null Experts for Mixture-of-Experts Language
Models", arXiv 2406.13233, which trains the null experts' score with a loss on their mean load. Without training,
their score here is moved after every call by the share of visits above or below the budget.
"""

import numpy as np

# How far the null experts' score, as a share of a token's mass, moves for visits of 1 too many or few a token.
PACE = 0.03  # tune: float 0.003 0.1 log

null_score = {"share": 0.0}
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
    target = visits_left / places_left
    if places_left > before["places_left"]:  # a new stream
        null_score["share"] = spending(mass, int(target * tokens))
    before["places_left"] = places_left
    counts = counts_at(mass, null_score["share"])
    null_score["share"] += PACE * (counts.mean() - target) / top_k
    if counts.sum() > most:
        counts = counts_at(mass, spending(mass, most))
    return marked(ranks, counts, experts).astype(np.int8)
