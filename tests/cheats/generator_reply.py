"""Returns a generator that computes one row at a time.

family: timing
expect: crashed /TypeError: a generator cannot leave the sandbox/

`numpy.stack(list(reply))` works on it, after the clock has stopped. Only bytes may leave the sandbox.
"""


def cheat(honest, arguments):
    return (row for row in honest(**arguments))
