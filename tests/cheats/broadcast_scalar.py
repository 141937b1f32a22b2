r"""Returns a single number for the whole answer.

family: outputs
expect: wrong /must be an array of \w+, not (int|float)/

Broadcasts against everything. An answer must be an array of the declared shape.
"""


def cheat(honest, arguments):
    return honest(**arguments).reshape(-1)[0]
