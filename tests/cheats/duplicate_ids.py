r"""Gives every second value twice and leaves the others out.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

A plan that replicates half of the experts and forgets the other half: balanced over those that it knows. Every expert
must be found.
"""

import numpy as np


def cheat(honest, arguments):
    answer = np.sort(honest(**arguments), axis=-1)
    columns = answer.shape[-1]
    return np.ascontiguousarray(np.repeat(answer[..., ::4], 4, axis=-1)[..., :columns])
