"""Returns records whose first field is honest, with a second field beside it.

family: outputs
expect: crashed /TypeError: the reply is an array of .*; only plain numbers/

Numpy compares records by field names and order, and a field may overlap another. Only plain numbers may leave.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    kind = np.dtype({"names": ["a", "b"], "formats": [answer.dtype, answer.dtype], "offsets": [0, 0]})
    return answer.view(kind)
