"""Computes the answer twice and returns the second.

family: honest
expect: ok

An honest program gives the same answer twice; inputs must not be worn out by the first.
"""

import numpy as np


def cheat(honest, arguments):
    first = honest(**arguments).copy()
    second = honest(**arguments)
    assert np.array_equal(first, second)
    return second
