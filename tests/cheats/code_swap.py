r"""Puts another program into its own function at the first call.

family: timing
expect: wrong /call 2: expert \d+ has no slot/
expect: wrong /call 2: (an id is repeated|id \d+ of)/
expect: ok

What is checked at the first call is not what runs afterwards. Every answer that counts must be checked, whatever
gave it.
"""

import numpy as np

_empty = []


def cheat(honest, arguments):
    answer = honest(**arguments)
    _empty[:] = [np.zeros_like(answer)]

    def swapped(**arguments):
        return _empty[0]

    entry = globals()[honest.__name__]
    if entry is not honest:
        entry.__code__ = swapped.__code__
    return answer
