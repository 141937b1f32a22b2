r"""Replies with an array subclass that hands other bytes to the channel than those that were checked.

family: harness
expect: crashed /array of shape \(\d+, \d+\) takes \d+ bytes, not \d+/
expect: crashed /array of shape \(\d+,\) takes \d+ bytes, not \d+/

Tempts where type and shape are taken from the object and its bytes from a method that can be replaced. The frame
says how many bytes there must be, and the judge builds its array from these alone.
"""

import numpy as np


class _TwoFaced(np.ndarray):
    def tobytes(self, order="C"):
        return bytes(2 * self.nbytes)


def _as_two_faced(array):
    return np.ndarray(array.shape, array.dtype, buffer=array.tobytes()).view(_TwoFaced)


class _Astype(np.ndarray):
    def reshape(self, *shape, **options):
        return _as_two_faced(np.array(self))


def cheat(honest, arguments):
    reply = honest(**arguments)
    np.asarray = lambda value, *rest, **options: value
    np.ascontiguousarray = lambda value, *rest, **options: np.array(value).view(_Astype)
    return reply
