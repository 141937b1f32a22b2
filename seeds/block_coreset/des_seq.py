"""DES-Seq: every token brings its best experts, as many as fit together; votes fill what is left.

Source: Chen et al., "Dynamic Expert Sharing", arXiv 2602.00879, intra-sequence sharing: the coreset of a block is the
union of the few best experts of each token, and all tokens then use the whole of it; the same idea for decoding batches
is Oncescu et al., "Opportunistic Expert Activation", arXiv 2511.02237. Both fix how many experts a token brings
and let the union grow; here a budget is given, so tokens bring one more each as long as the union fits, and of the next
round those that get the most weight in it.
"""

import numpy as np


def mass_of(ids: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The block's experts, rising (distinct,), and each token's gate mass on them, float64 (tokens, distinct)."""
    experts, place = np.unique(ids, return_inverse=True)
    mass = np.zeros((len(ids), len(experts)))
    mass[np.arange(len(ids))[:, None], place.reshape(ids.shape)] = weights
    return experts, mass


def select(ids: np.ndarray, weights: np.ndarray, budget: int) -> np.ndarray:
    """Choose the experts to load: different ones of the block, int32 (budget,)."""
    experts, mass = mass_of(ids, weights)
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.searchsorted(experts, np.take_along_axis(ids, order, axis=1))
    chosen = np.zeros(len(experts), dtype=bool)
    for best in ranked.T:  # every token's best expert, then every token's second, ...
        wanted = np.zeros(len(experts))
        np.add.at(wanted, best, mass[np.arange(len(mass)), best])
        wanted[chosen] = 0
        room = budget - int(chosen.sum())
        newcomers = np.flatnonzero(wanted > 0)
        chosen[newcomers[np.argsort(-wanted[newcomers], kind="stable")[:room]]] = True
    # Experts of no weight fill what may be left.
    return experts[np.argsort(~chosen, kind="stable")[:budget]].astype(np.int32)
