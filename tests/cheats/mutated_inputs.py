"""Overwrites the arrays that it was given.

family: outputs
expect: crashed /ValueError: .*(read-only|WRITEABLE)/
expect: ok

Where the judge measures with the array that it lent, an input of zeros makes every answer perfect. Every way that
numpy offers is tried; arrays over immutable bytes must refuse them all.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray) and value.size]
    refusals = []
    for array in arrays:
        for way in (_assign, _unlock, _copy_to, _through_base, _through_strides):
            try:
                way(array)
            except (ValueError, TypeError) as error:
                refusals.append(error)
    if arrays and len(refusals) == 5 * len(arrays):
        raise refusals[0]
    return answer


def _assign(array):
    array[...] = 0


def _unlock(array):
    array.setflags(write=True)
    array[...] = 0


def _copy_to(array):
    np.copyto(array, 0)


def _through_base(array):
    np.frombuffer(memoryview(array.base), dtype=array.dtype)[...] = 0


def _through_strides(array):
    np.lib.stride_tricks.as_strided(array, array.shape, array.strides, writeable=True)[...] = 0
