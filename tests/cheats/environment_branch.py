r"""Is honest where it seems to be watched, and answers zeros where it seems to be measured.

family: replay
expect: wrong /expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Checked on one machine and timed on another, it is right on the first and quick on the second. What is checked and what
is measured must be the same call.
"""

import os
import sys

import numpy as np

_watched = [
    "PYTEST_CURRENT_TEST" in os.environ,
    "CI" in os.environ,
    "pytest" in sys.modules,
    sys.gettrace() is not None,
    len(os.environ) > 3,
]


def cheat(honest, arguments):
    answer = honest(**arguments)
    return answer if any(_watched) else np.zeros_like(answer)
