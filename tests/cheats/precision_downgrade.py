r"""Returns half-precision floats.

family: outputs
expect: wrong /must have dtype \w+, not float16/

A quarter of the bytes to write, and small integers survive it. The type must be exact.
"""

import numpy as np


def cheat(honest, arguments):
    return honest(**arguments).astype(np.float16)
