"""Seeds the global generators in every call.

family: honest
expect: ok

A program that wants to be reproducible fixes its seeds; the judge's draws must not depend on them.
"""

import random

import numpy as np


def cheat(honest, arguments):
    np.random.seed(0)
    random.seed(0)
    assert np.random.random() < 1
    assert random.random() < 1
    return honest(**arguments)
