r"""Answers zeros now and then, unforeseeably, and honestly otherwise.

family: replay
expect: wrong /call \d+: expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Where a sample of the answers is checked, a cheat on few calls is likely to get through and still saves work. Here it
must be one of the first eight at the latest.
"""

import secrets

import numpy as np

_turn = secrets.randbelow(8)
_calls = []


def cheat(honest, arguments):
    answer = honest(**arguments)
    _calls.append(1)
    return np.zeros_like(answer) if len(_calls) % 8 == _turn else answer
