"""Draws from unseeded generators in every call.

family: honest
expect: ok

Randomised programs are legal; where the answer is legal too, nothing may be held against it.
"""

import random
import secrets

import numpy as np


def cheat(honest, arguments):
    order = list(arguments)
    random.shuffle(order)
    noise = np.random.standard_normal(100).sum() + np.random.default_rng().random() + secrets.randbelow(10)
    assert np.isfinite(noise)
    return honest(**{name: arguments[name] for name in order})
