r"""Returns 64-bit values that only a cast to 32 bits turns into the honest ones.

family: outputs
expect: wrong /must have dtype \w+, not u?int64/

Whoever checks after the cast sees legal ids, whoever measures before it something else. The type must be checked
before any cast.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer.astype(np.uint64) + np.uint64(7 << 32)
