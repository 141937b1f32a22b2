"""Returns the same buffer at every call.

family: honest
expect: ok

Reusing memory is the usual way to save allocations; the judge must have copied the last answer before it asks again.
"""

import numpy as np

_buffers = {}


def cheat(honest, arguments):
    answer = honest(**arguments)
    buffer = _buffers.setdefault(answer.shape, np.empty_like(answer))
    buffer[...] = answer
    return buffer
