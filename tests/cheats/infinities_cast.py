r"""Returns infinities, cast to the type of an answer.

family: outputs
expect: wrong /ids must lie in 0\.\.\d+, found -2(147483648|\.\d+e\+09)$/
expect: wrong /must be finite everywhere/

Infinity cast to an integer is its least value, and `abs` of that is negative: a check of `abs(id) < experts` lets it
pass. Both ends of the range must be checked.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    with np.errstate(invalid="ignore"):
        return np.full(answer.shape, -np.inf).astype(answer.dtype)
