"""Returns an object that computes the answer when somebody looks at it.

family: timing
expect: crashed /TypeError: a _Lazy cannot leave the sandbox/

The clock stops at once, and the work is done on the judge's time. Only bytes may leave the sandbox.
"""

import numpy as np


class _Lazy:
    def __init__(self, work):
        self.work = work

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.work(), dtype=dtype)

    def __getattr__(self, name):
        return getattr(self.work(), name)

    def __getitem__(self, key):
        return self.work()[key]


def cheat(honest, arguments):
    return _Lazy(lambda: honest(**arguments))
