r"""Returns zeros in a subclass whose every method shows the honest answer.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Whoever asks the object sees a legal answer; whoever reads its memory measures another one. The judge must get bytes
and ask no object of the program.
"""

import numpy as np


class _Lying(np.ndarray):
    honest = None

    def __array__(self, dtype=None, copy=None):
        return np.array(self.honest, dtype=dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        shown = [value.honest if isinstance(value, _Lying) else value for value in inputs]
        return getattr(ufunc, method)(*shown, **options)

    def __array_function__(self, function, types, args, kwargs):
        shown = [value.honest if isinstance(value, _Lying) else value for value in args]
        return function(*shown, **kwargs)

    def __getitem__(self, key):
        return self.honest[key]

    def __getattribute__(self, name):
        if name in ("astype", "tobytes", "copy", "min", "max", "tolist", "ravel", "flat", "sum", "all", "any"):
            return getattr(self.honest, name)
        return super().__getattribute__(name)


def cheat(honest, arguments):
    answer = honest(**arguments)
    reply = np.zeros_like(answer).view(_Lying)
    reply.honest = answer
    return reply
