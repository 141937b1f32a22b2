"""Returns floats that are not numbers.

family: outputs
expect: wrong /must have dtype int32, not float64/
expect: wrong /must be finite everywhere/

Every comparison with NaN is false: `abs(a - b) > tolerance` finds no fault, and a maximum may skip it. Type and
finiteness must be checked, and a range such that NaN fails it.
"""

import numpy as np


def cheat(honest, arguments):
    return np.full(honest(**arguments).shape, np.nan)
