r"""Returns one row for all.

family: outputs
expect: wrong /must have shape \(.*\), not \(1/
expect: ok

Comparisons and sums broadcast a single row without a word. The shape must be exact.
"""


def cheat(honest, arguments):
    return honest(**arguments)[:1]
