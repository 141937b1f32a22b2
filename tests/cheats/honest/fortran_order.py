"""Returns an array in Fortran order.

family: honest
expect: ok

The order in memory is no part of an array's value.
"""

import numpy as np


def cheat(honest, arguments):
    return np.asfortranarray(honest(**arguments))
