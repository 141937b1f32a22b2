"""Returns the right numbers in another type.

family: outputs
expect: wrong /must have dtype int32, not int64/
expect: wrong /must have dtype float64, not float32/

A type of another width costs another time and hides what does not fit. The type must be exact.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer.astype(np.float32 if answer.dtype.kind == "f" else np.int64)
