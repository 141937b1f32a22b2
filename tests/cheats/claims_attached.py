"""Hangs a score and a time of its own on an honest answer.

family: outputs
expect: ok

Published harnesses look for attributes of the result. Nothing but its bytes may reach the judge.
"""

import numpy as np


class _Claiming(np.ndarray):
    score = 1e9
    seconds = elapsed_time = makespan = 0.0
    balance = 1.0
    correct = valid = passed = True


def cheat(honest, arguments):
    return honest(**arguments).view(_Claiming)
