r"""Returns a wrong answer and an honest one together.

family: outputs
expect: wrong /must be an array of \w+, not several values/

Hopes that one is checked and the other is measured, or that the better one counts. An answer must be one array.
"""

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer, np.zeros_like(answer)
