"""Returns an argument, cast and cut to the form of an answer.

family: outputs
expect: wrong /has no slot|expert ids must lie/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Passes every check of form. What the values mean must be checked too.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    source = arrays[0] if arrays else np.array([next(iter(arguments.values()))])
    return np.resize(source, answer.shape).astype(answer.dtype)
