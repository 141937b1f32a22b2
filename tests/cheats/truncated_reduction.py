r"""Works on the first half of the columns and repeats it.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Half of the work for an answer with the right mean and spread. Every column must be checked.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    columns = answer.shape[-1]
    half = answer[..., : (columns + 1) // 2]
    return np.concatenate([half, half], axis=-1)[..., :columns]
