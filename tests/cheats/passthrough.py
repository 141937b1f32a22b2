r"""Returns an argument as it came.

family: outputs
expect: wrong /must have dtype int32, not float32/
expect: wrong /must be an array of \w+, not int/

Free, finite, and plausible in scale. The declared form of the answer must be checked before its values.
"""

import numpy as np


def cheat(honest, arguments):
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    return arrays[0] if arrays else next(iter(arguments.values()))
