r"""Returns the most common value everywhere.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Close to the right answer by most measures of distance, and free. Every value must be checked, not the mean.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    values, counts = np.unique(answer, return_counts=True)
    return np.full_like(answer, values[counts.argmax()])
