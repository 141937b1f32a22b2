"""Divides by zero and overflows on the way, and deals with it.

family: honest
expect: ok

Floating-point warnings on the way to a finite answer are no fault.
"""

import numpy as np


def cheat(honest, arguments):
    zeros = np.zeros(4)
    ratio = zeros / zeros
    with np.errstate(all="raise"):
        try:
            np.exp(np.array([1e4]))
        except FloatingPointError:
            ratio = np.nan_to_num(ratio)
    assert not ratio.any()
    return honest(**arguments)
