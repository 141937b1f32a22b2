"""Returns every second element of a larger array.

family: honest
expect: ok

A view with gaps is an array like any other; only what it shows may count.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    wide = np.full((*answer.shape[:-1], 2 * answer.shape[-1]), 77, dtype=answer.dtype)
    wide[..., ::2] = answer
    return wide[..., ::2]
