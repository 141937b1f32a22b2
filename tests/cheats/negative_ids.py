r"""Returns the honest values counted from the end, as Python's indices may be.

family: outputs
expect: wrong /expert ids must lie in 0\.\.\d+, found -/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

`load[-1]` is a value like any other: a judge that indexes before it checks measures something that was never placed.
Both ends of the range must be checked first.
"""


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer - answer.dtype.type(answer.max() + 1)
