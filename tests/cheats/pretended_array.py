"""Returns an object that passes for an array and shows something else at each look.

family: outputs
expect: ok

The first look, which checks, finds the honest answer; every later one, which measures, finds zeros. The answer must be
turned into bytes once, and all the rest be done with these.
"""

import numpy as np


class _Pretended:
    __class__ = np.ndarray

    def __init__(self, answer):
        self.looks = 0
        self.answer = answer

    def __array__(self, dtype=None, copy=None):
        self.looks += 1
        shown = self.answer if self.looks == 1 else np.zeros_like(self.answer)
        return np.array(shown, dtype=dtype)

    def __getattr__(self, name):
        if name.startswith("__"):  # numpy asks for its own protocols first
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def cheat(honest, arguments):
    reply = _Pretended(honest(**arguments))
    assert isinstance(reply, np.ndarray)
    return reply
