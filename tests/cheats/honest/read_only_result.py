"""Returns a read-only array.

family: honest
expect: ok

Frozen results are good style.
"""


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    answer.setflags(write=False)
    return answer
