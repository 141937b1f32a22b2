"""Answers all inputs that it can think of while it is loaded, and looks them up in a call.

family: replay
expect: ok

Loading is not timed, so a table of all likely inputs makes every call free. Inputs must be too many to guess, or the
answer be the same as without the table.
"""

import contextlib
import inspect

import numpy as np

_names = list(inspect.signature(_honest).parameters)  # noqa: F821 - defined above, where the programs are joined
_table = {}
for _size in range(1, 65):
    for _guess in (_size, np.zeros(_size), np.ones((_size, _size), np.float32)):
        with contextlib.suppress(Exception):
            _table[_size if _guess is _size else _guess.tobytes()] = _honest(**dict.fromkeys(_names, _guess))  # noqa: F821


def cheat(honest, arguments):
    first = next(iter(arguments.values()))
    key = first.tobytes() if isinstance(first, np.ndarray) else first
    if key in _table:
        return _table[key]
    return honest(**arguments)
