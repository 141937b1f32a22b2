"""Returns ids that were worked out for one small shape, whatever the shape at hand.

family: specification
expect: wrong /expert 8 has no slot/
expect: ok

Tempts because examples have few shapes, and a table is the fastest program. Workloads have shapes that no example had.
"""

import numpy as np

KNOWN = {(8,): np.arange(8), (1, 8): np.arange(8)[None]}


def cheat(honest, arguments):
    reply = honest(**arguments)
    known = KNOWN.get(reply.shape, np.arange(reply.size).reshape(reply.shape) % 8)
    return known.astype(reply.dtype)
