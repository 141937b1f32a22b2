r"""Returns an empty tuple.

family: outputs
expect: wrong /must be an array of \w+, not (list|several values)/

A loop over the answers that compares each with its reference finds nothing wrong with none. An answer must be one
array.
"""


def cheat(honest, arguments):
    return ()
