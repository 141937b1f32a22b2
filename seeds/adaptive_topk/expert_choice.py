"""Expert choice: every expert takes the tokens that score it best, all experts equally many.

Source: Zhou et al., "Mixture-of-Experts with Expert Choice Routing", arXiv 2202.09368: each expert takes its best
tokens up to a capacity, so loads are even by construction and a token gets as many experts as want it. It is made for
large batches: with few tokens the capacity is a fraction, so GPUs take it together here, each the best pairs of a token
and one of its experts. Tokens that nobody took get their best expert, and none gets more than top_k.
"""

import numpy as np


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
    visits = min(most, visits_left * tokens // places_left)
    share = scores / scores.sum(axis=1, keepdims=True)
    mask = np.zeros((tokens, experts), dtype=bool)
    mask[np.arange(tokens), scores.argmax(axis=1)] = True
    capacity = visits // num_gpus
    gpu_of = (np.arange(experts) // (experts // num_gpus)).tolist()
    gpu_load = np.bincount(gpu_of, weights=mask.sum(axis=0), minlength=num_gpus).astype(int).tolist()
    count = [1] * tokens
    share[mask] = -1  # these come in any case
    for pair in np.argsort(-share, axis=None, kind="stable")[: tokens * (experts - 1)].tolist():
        token, expert = divmod(pair, experts)
        if count[token] < top_k and gpu_load[gpu_of[expert]] < capacity:
            mask[token, expert] = True
            count[token] += 1
            gpu_load[gpu_of[expert]] += 1
            if sum(count) >= visits:
                break
    return mask.astype(np.int8)
