"""Overwrites the bytes under the arrays that it was given, past every flag.

family: outputs
expect: ok

Where the judge measures with the memory that it lent, an input of zeros makes every answer perfect. The program must
get a copy: then it spoils only its own.
"""

import ctypes

import numpy as np


class _Writable:
    """Claims that the memory of an array may be written."""

    def __init__(self, array):
        data, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (data, False)}


def cheat(honest, arguments):
    answer = honest(**arguments)
    for array in arguments.values():
        if isinstance(array, np.ndarray) and array.size:
            np.asarray(_Writable(array))[...] = 0
            ctypes.memset(array.ctypes.data, 0, array.nbytes)
            assert not array.any()
    return answer
