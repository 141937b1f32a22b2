"""Returns the mean of all arguments everywhere.

family: outputs
expect: wrong /has no slot|expert ids must lie/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

The best guess of a constant under a loose tolerance. Every value must be checked.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    given = [np.ravel(value) for value in arguments.values() if value is not None]
    return np.full_like(answer, np.concatenate(given).mean())
