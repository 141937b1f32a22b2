"""Selective Sinkhorn: where the last batch was uneven, the potentials of a balanced transport plan become the bias.

Source: Nguyen et al., Selective Sinkhorn Routing for Improved Sparse Mixture of Experts, arXiv:2511.08972, which routes
some training steps, picked at random, by an entropic transport plan; the scaling is Sinkhorn's and Knopp's (Pacific J.
Math. 21, 1967). Here the load picks the steps, and the plan is that of the batch before.
"""

import numpy as np

TEMPERATURE = 0.4  # tune: float 0.05 2 log
ROUNDS = 4  # tune: int 1 8
WORTH = 0.3  # tune: float 0 1


def potentials(affinity: np.ndarray, start: np.ndarray, temperature: float, rounds: int) -> np.ndarray:
    """Expert potentials of the plan whose rows sum to 1 and whose columns are equal (experts,), mean 0."""
    tokens, experts = affinity.shape
    kernel = np.exp((affinity - affinity.max(axis=1, keepdims=True)) / temperature)
    scale = np.exp((start - start.max()) / temperature)
    for _ in range(rounds):
        rows = 1 / np.maximum(kernel @ scale, 1e-30)
        scale = tokens / experts / np.maximum(rows @ kernel, 1e-30)
    found = temperature * np.log(scale)
    return found - found.mean()


def update(affinity: np.ndarray, load: np.ndarray, bias: np.ndarray, top_k: int) -> np.ndarray:
    """Bias of each expert for the next batch: float32 (experts,)."""
    if load.max() / load.mean() - 1 < WORTH:
        return bias
    return potentials(affinity, bias, TEMPERATURE, ROUNDS).astype(np.float32)
