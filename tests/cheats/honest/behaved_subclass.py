"""Returns a subclass of array that adds a method and a name.

family: honest
expect: ok

Libraries return such arrays; their values are in the memory, as with any array.
"""

import numpy as np


class _Named(np.ndarray):
    name = "answer"

    def total(self):
        return self.sum()


def cheat(honest, arguments):
    answer = honest(**arguments).view(_Named)
    assert np.isfinite(answer.total())
    return answer
