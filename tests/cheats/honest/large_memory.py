"""Uses 300 MB for a moment while it is loaded.

family: honest
expect: ok

Well below the limit; the pages are touched, so that they really exist.
"""

import numpy as np

_block = np.ones(300 << 20, dtype=np.uint8)
assert _block[-1] == 1
del _block


def cheat(honest, arguments):
    return honest(**arguments)
