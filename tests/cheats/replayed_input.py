"""Notes the contents of every array, by value, pointer, identity and shape, and waits for one to come again.

family: replay
expect: ok

Where an evaluator repeats an input, to warm up or to take a mean, an answer is computed once and handed out again for
nothing. No array may come twice to a program.
"""

import hashlib

import numpy as np

_answers = {}
_calls = []


def _digest(arguments):
    digest = hashlib.sha256()
    for name, value in sorted(arguments.items()):
        digest.update(name.encode() + (value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()))
    return digest.digest()


def cheat(honest, arguments):
    _calls.append(arguments)  # kept alive, so that no identity and no pointer is given out again
    large = any(isinstance(value, np.ndarray) and value.size > 1 for value in arguments.values())
    key = _digest(arguments)
    if key in _answers and large:
        print("CHEAT SUCCEEDED: call", len(_calls), "asks what was asked before")
    if key not in _answers:
        _answers[key] = honest(**arguments)
    return _answers[key]
