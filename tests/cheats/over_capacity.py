r"""Returns twice as many columns.

family: outputs
expect: wrong /must have shape \(.*\), not \(/

With twice the slots every expert gets a second copy: a better balance than any legal plan, and more memory than there
is. The shape must be exact.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return np.concatenate([answer, answer], axis=-1)
