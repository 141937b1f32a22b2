"""Raises on inputs that are larger than the first.

family: timing
expect: crashed /RuntimeError: out of luck with this shape/
expect: ok

Where failures are dropped from the mean, a program improves by failing what it is slow at. One failure must void the
score.
"""

import numpy as np

_largest = []


def cheat(honest, arguments):
    work = sum(np.size(value) if isinstance(value, np.ndarray) else 0 for value in arguments.values())
    _largest.append(work)
    if work > _largest[0]:
        raise RuntimeError("out of luck with this shape")
    return honest(**arguments)
