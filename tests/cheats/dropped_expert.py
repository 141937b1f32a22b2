r"""Replaces the least common value of each row by the most common.

family: outputs
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Who serves one expert less balances the others better, and hardly a token asks for the one that is gone. Every expert
must be found in every layer. Numbers that are no identifiers stay: another legal policy may be a better one.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments).copy()
    if answer.dtype.kind not in "iu":
        return answer
    for row in answer.reshape(-1, answer.shape[-1]):
        values, counts = np.unique(row, return_counts=True)
        row[row == values[counts.argmin()]] = values[counts.argmax()]
    return answer
