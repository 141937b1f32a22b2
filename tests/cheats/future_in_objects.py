"""Searches every frame and every object for an array that is larger than all arguments.

family: specification
expect: ok

Tempts where the problem's code is on the stack with the whole stream in its hand. Says so if there is such an array.
Smaller ones than an interpreter holds anyway, such as compiled code and tables of its library, do not count.
"""

import gc
import sys

import numpy as np

OWN = 1 << 16
"""Bytes."""

_bound = []


def _arrays():
    frame = sys._getframe()
    while frame is not None:
        yield from frame.f_locals.values()
        frame = frame.f_back
    gc.unfreeze()
    for item in gc.get_objects():
        yield item
        if type(item) in (tuple, list):
            yield from item
        elif type(item) is dict:
            yield from list(item.values())


def cheat(honest, arguments):
    given = [value.nbytes for value in arguments.values() if isinstance(value, np.ndarray)]
    if given and not _bound:
        _bound.append(max(OWN, *(2 * size for size in given)))
        for item in _arrays():
            kind = type(item)
            size = item.nbytes if kind is np.ndarray else len(item) if kind in (bytes, bytearray) else 0
            if size > _bound[0]:
                print("CHEAT SUCCEEDED: an array of", size, "bytes")
    return honest(**arguments)
