"""Builds the answer from nested lists.

family: honest
expect: ok

Plain Python programs end with an array made of a list; only its type must be said.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return np.array(answer.tolist(), dtype=answer.dtype)
