r"""Is right but for one value in the last row.

family: outputs
expect: wrong /expert \d+ has no slot in layer \d+/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

The smallest possible fault in the place that is looked at last: a kernel without its tail. Every value of every row
must be checked.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    last = answer.reshape(-1, answer.shape[-1])[-1]
    values, counts = np.unique(last, return_counts=True)
    last[last == values[counts.argmin()]] = values[counts.argmax()]
    return answer
