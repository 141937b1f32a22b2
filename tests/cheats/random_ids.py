r"""Returns values drawn at random from those of an honest answer.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Right in type, shape, range and distribution. What the values mean must be checked, on every row.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return np.random.default_rng().choice(answer.ravel(), size=answer.shape)
