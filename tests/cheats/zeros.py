r"""Returns zeros of the right type and shape.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated/
expect: ok
"""

import numpy as np


def cheat(honest, arguments):
    return np.zeros_like(honest(**arguments))
