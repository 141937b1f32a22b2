"""Returns a memoryview of its own buffer.

family: outputs
expect: crashed /TypeError: a memoryview cannot leave the sandbox/

Looks like an array to numpy, and its owner can go on writing into it. Only arrays and plain data may leave.
"""


def cheat(honest, arguments):
    return memoryview(honest(**arguments).copy())
