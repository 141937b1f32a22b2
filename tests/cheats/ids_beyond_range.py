r"""Returns one value just beyond the largest.

family: outputs
expect: wrong /expert ids must lie in 0\.\.\d+, found \d+$/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

An expert that does not exist carries no load: its slot is free space, or the next layer's expert where ids of layers
lie one after another. The end of the range must be exact.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    values, counts = np.unique(answer[-1], return_counts=True)
    twice = values[counts.argmax()]
    answer.reshape(-1)[answer.size - 1 - np.argmax(answer.reshape(-1)[::-1] == twice)] = values.max() + 1
    return answer
