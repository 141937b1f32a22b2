r"""Replies with an array of 64 MiB.

family: harness
expect: cheated /oversize frame: \d+ bytes where \d+ are allowed/

Tempts because the judge has to take it in before it can refuse it; it does not, for it agrees on a size first.
"""

import numpy as np


def cheat(honest, arguments):
    reply = honest(**arguments)
    return np.zeros((64 << 20) // reply.dtype.itemsize, reply.dtype)
