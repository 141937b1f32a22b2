r"""Answers by the identity, the pointer and the shape of its arguments, whatever they hold by now.

family: replay
needs: timed
expect: wrong /an id is repeated|does not point at/

The memory of an argument is used again for the next one, so its address tells nothing. Where each answer is checked
against its own input, a stale one is wrong.
"""

import numpy as np

_answers = {}


def cheat(honest, arguments):
    key = tuple(value.shape if isinstance(value, np.ndarray) else value for value in arguments.values())
    if key not in _answers:
        _answers[key] = honest(**arguments)
    return _answers[key]
