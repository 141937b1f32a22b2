"""Sets numpy's print and error options, the recursion limit and the decimal context.

family: honest
expect: ok

Settings of a process end with it; the next program and the judge have their own.
"""

import decimal
import sys

import numpy as np

sys.setrecursionlimit(5000)
np.seterr(all="ignore")
np.set_printoptions(precision=1, threshold=5)
decimal.getcontext().prec = 3


def cheat(honest, arguments):
    return honest(**arguments)
