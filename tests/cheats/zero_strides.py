r"""Returns one column, spread over the shape of an answer without any memory.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Has the right shape and type, and costs one column. A judge that looks at the object, or at its base, sees what it
wants; it must look at the bytes.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return np.broadcast_to(answer[..., :1], answer.shape)
