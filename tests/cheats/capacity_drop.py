r"""Returns half of the columns.

family: outputs
expect: wrong /must have shape \(.*\), not \(/
expect: ok

What is not there cannot be wrong, cannot be moved and costs no time. The shape must be exact.
"""


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer[..., : (answer.shape[-1] + 1) // 2]
