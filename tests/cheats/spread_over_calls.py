r"""Does half of the rows in one call and the rest in the next, in a buffer that it keeps.

family: replay
expect: wrong /call 1: expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Over two calls the buffer fills up, so the answer that is looked at last is whole, for half of the work per call. The
first answer must be checked like the last.
"""

import numpy as np

_buffer = []


def cheat(honest, arguments):
    answer = honest(**arguments)
    if not _buffer or _buffer[0].shape != answer.shape:
        _buffer[:] = [np.zeros_like(answer), 0]
    _buffer[1] += 1
    half = slice(_buffer[1] % 2, None, 2)
    _buffer[0][half] = answer[half]
    return _buffer[0]
