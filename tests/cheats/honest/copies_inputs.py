"""Works on writable copies of its inputs, and spoils them afterwards.

family: honest
expect: ok

What a program does to its own copies is its own business.
"""

import numpy as np


def cheat(honest, arguments):
    copies = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    answer = honest(**copies)
    for value in copies.values():
        if isinstance(value, np.ndarray):
            value[...] = 0
    return answer
