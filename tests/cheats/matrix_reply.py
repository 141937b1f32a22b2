"""Returns a matrix, for which `*` is another operation.

family: outputs
expect: ok
expect: wrong /must have shape/

A judge that multiplies with the program's object computes something else: sums keep their axes, products are of
matrices. It must compute with an array of its own.
"""

import numpy as np


def cheat(honest, arguments):
    return np.asmatrix(honest(**arguments))
