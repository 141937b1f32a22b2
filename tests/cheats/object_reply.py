"""Returns an array of objects that count as different numbers at each look.

family: outputs
expect: crashed /TypeError: the reply is an array of object; only plain numbers/

An array of objects runs the program's code whenever somebody compares or adds. Only plain numbers may leave.
"""

import numpy as np


class _Number(int):
    def __eq__(self, other):
        return True

    def __lt__(self, other):
        return True

    __ge__ = __le__ = __gt__ = __lt__
    __hash__ = int.__hash__


def cheat(honest, arguments):
    answer = honest(**arguments)
    return np.array([_Number(value) for value in answer.ravel()], dtype=object).reshape(answer.shape)
