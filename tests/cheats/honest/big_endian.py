"""Returns the same numbers in the other order of bytes, and says so in the type.

family: honest
expect: ok

The wire has one order of bytes, and the guest's side of it converts: values and declared type stay what they are.
"""


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer.astype(answer.dtype.newbyteorder(">"))
