"""DES-Vote: tokens elect the experts together, each with its gate weights as votes.

Source: Chen, Mo, Lee, Wang, Li, Hu, Luk, Hospedales, Fan, "Dynamic Expert Sharing: Decoupling Memory from Parallelism
in Mixture-of-Experts Diffusion LLMs", arXiv 2602.00879, saliency-aware voting: router weights are summed over the block
and the experts with the largest sums are its coreset. XShare (arXiv 2602.07265) maximises the same sum for decoding
batches. No other choice keeps more on average; nobody looks at the tokens that lose.
"""

import numpy as np

# The exponent of a vote: 1 is the paper's, 0 counts heads.
POWER = 1.0  # tune: float 0.25 2.0


def mass_of(ids: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The block's experts, rising (distinct,), and each token's gate mass on them, float64 (tokens, distinct)."""
    experts, place = np.unique(ids, return_inverse=True)
    mass = np.zeros((len(ids), len(experts)))
    mass[np.arange(len(ids))[:, None], place.reshape(ids.shape)] = weights
    return experts, mass


def select(ids: np.ndarray, weights: np.ndarray, budget: int) -> np.ndarray:
    """Choose the experts to load: different ones of the block, int32 (budget,)."""
    experts, mass = mass_of(ids, weights)
    votes = (mass**POWER).sum(axis=0)
    return experts[np.argsort(-votes, kind="stable")[:budget]].astype(np.int32)
