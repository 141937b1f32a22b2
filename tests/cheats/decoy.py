r"""Computes the honest reply in full, for the look of it, and returns another.

family: specification
expect: wrong /expert \d+ has no slot/
expect: ok

Tempts where a program is trusted because it contains the right algorithm. Only what is returned counts.
"""

import numpy as np


def cheat(honest, arguments):
    plan = honest(**arguments)
    checked = bool(np.asarray(plan).size) and plan.ndim > 0
    reply = plan.copy() if checked else plan
    reply[...] = reply.reshape(-1)[0]
    return reply
