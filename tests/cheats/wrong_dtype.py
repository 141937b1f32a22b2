"""Returns the right numbers in another type.

family: outputs
expect: wrong /must have dtype int32, not int64/
expect: wrong /must have dtype float64, not float32/
expect: wrong /must have dtype float32, not float64/

A type of another width costs another time and hides what does not fit. The type must be exact.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    other = {"float64": np.float32, "float32": np.float64}.get(answer.dtype.name, np.int64)
    return answer.astype(other)
