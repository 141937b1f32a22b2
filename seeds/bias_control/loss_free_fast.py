"""Loss-free balancing: a small step up for every expert below the mean load, down for every one above it.

Source: Wang et al., Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts, arXiv:2408.15664, algorithm 1,
with ten times its update rate of 0.001, for routers that drift quickly.
"""

import numpy as np

RATE = 0.01  # tune: float 0.0005 0.05 log


def error(load: np.ndarray) -> np.ndarray:
    """How far each expert is below the mean load, as a share of it (experts,)."""
    return 1 - load / load.mean()


def update(affinity: np.ndarray, load: np.ndarray, bias: np.ndarray, top_k: int) -> np.ndarray:
    """Bias of each expert for the next batch: float32 (experts,)."""
    return (bias + RATE * np.sign(error(load))).astype(np.float32)
