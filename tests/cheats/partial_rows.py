r"""Leaves the last rows at zero.

family: outputs
expect: wrong /expert \d+ has no slot in layer \d+/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Does a part of the work and hopes that only a sample, or a mean, is looked at. Every row must be checked.
"""


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    answer[-max(1, len(answer) // 4) :] = 0
    return answer
