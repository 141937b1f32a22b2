"""Returns a view that runs backwards.

family: honest
expect: ok

A view with negative strides is an array like any other.
"""

import numpy as np


def cheat(honest, arguments):
    backwards = np.ascontiguousarray(honest(**arguments)[..., ::-1])
    return backwards[..., ::-1]
