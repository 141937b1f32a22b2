r"""Swaps the bytes of every value and leaves the type as it was.

family: outputs
expect: wrong /expert ids must lie in 0\.\.\d+, found \d/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Meant for a reader that takes the order of bytes from somewhere else: one reader's legal answer is another's best. The
wire has one order, and the range is checked on what the judge will use.
"""


def cheat(honest, arguments):
    return honest(**arguments).byteswap()
