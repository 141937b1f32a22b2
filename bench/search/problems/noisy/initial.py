# EVOLVE-BLOCK-START
"""A point in eight dimensions, from eight constants."""

import numpy as np

X0 = 2.0  # tune: float -4.0 4.0
X1 = -2.0  # tune: float -4.0 4.0
X2 = 2.0  # tune: float -4.0 4.0
X3 = -2.0  # tune: float -4.0 4.0
X4 = 2.0  # tune: float -4.0 4.0
X5 = -2.0  # tune: float -4.0 4.0
X6 = 2.0  # tune: float -4.0 4.0
X7 = -2.0  # tune: float -4.0 4.0


def first_half():
    """The first four coordinates."""
    return [X0, X1, X2, X3]


def second_half():
    """The last four coordinates."""
    return [X4, X5, X6, X7]


def point():
    """The point that is measured: float64 (8,)."""
    return np.array(first_half() + second_half(), dtype=np.float64)


# EVOLVE-BLOCK-END
