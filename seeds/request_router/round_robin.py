"""Round robin: every instance in turn.

Source: the default of most load balancers; the first baseline of nearly every paper on request routing.
"""

import itertools

import numpy as np

TURN = itertools.count()


def route(
    now_seconds: float,
    age_seconds: float,
    input_tokens: int,
    blocks: np.ndarray,
    view: np.ndarray,
    costs: np.ndarray,
    objective_seconds: float,
) -> np.ndarray:
    """Name the instance whose turn it is: int32 (1,)."""
    return np.array([next(TURN) % view.shape[1]], dtype=np.int32)
