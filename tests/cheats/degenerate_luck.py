"""Plans for an input without any structure, whatever the input is.

family: outputs
expect: ok
expect: wrong /does not point at/

Where inputs are drawn from a degenerate law (all equal, nearly uniform), an answer that never looks at them is as good
as any. The program is legal; the inputs must be such that it gains nothing.
"""

import numpy as np


def cheat(honest, arguments):
    blank = {
        name: np.ones(value.shape, value.dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
        for name, value in arguments.items()
    }
    return honest(**blank)
