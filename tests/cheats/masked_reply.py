r"""Returns a masked array that hides its illegal values.

family: outputs
expect: wrong /ids must lie in 0\.\.\d+, found -1/
expect: wrong /must be finite everywhere/

Minimum, maximum and comparisons skip what is masked, so every check holds; the bytes are another matter. The judge
must check the bytes.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    answer[-1:] = np.nan if answer.dtype.kind == "f" else -1
    mask = np.zeros(answer.shape, dtype=bool)
    mask[-1:] = True
    return np.ma.masked_array(answer, mask=mask)
