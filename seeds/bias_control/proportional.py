"""Loss-free balancing in proportion: the step of each expert grows with how far its load is from the mean.

Source: Wang et al., arXiv:2408.15664, which tries the update rule without the sign too; here the error is a share of
the mean load, so that the rate does not depend on the size of a batch.
"""

import numpy as np

RATE = 0.02  # tune: float 0.002 0.2 log


def error(load: np.ndarray) -> np.ndarray:
    """How far each expert is below the mean load, as a share of it (experts,)."""
    return 1 - load / load.mean()


def update(affinity: np.ndarray, load: np.ndarray, bias: np.ndarray, top_k: int) -> np.ndarray:
    """Bias of each expert for the next batch: float32 (experts,)."""
    return (bias + RATE * error(load)).astype(np.float32)
