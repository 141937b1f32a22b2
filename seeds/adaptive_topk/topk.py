"""Top-k: every token visits its k best experts, k being what the budget allows.

Source: Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", arXiv
1701.06538, with fewer experts than the model was trained with. Where the budget is no whole number, some tokens of a
call visit one expert more than the others.
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


def even_counts(tokens: int, visits: int) -> np.ndarray:
    """Share visits evenly among tokens, at least one each: int (tokens,)."""
    return np.maximum(1, visits // tokens + (np.arange(tokens) < visits % tokens))


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
    visits = min(most, visits_left * tokens // places_left, tokens * top_k)
    return marked(ranked(scores, top_k), even_counts(tokens, visits), experts).astype(np.int8)
