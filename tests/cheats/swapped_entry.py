r"""Replaces its entry function in the guest's own table while it runs.

family: harness
expect: wrong /call 2: expert ids must lie in 0\.\.\d+, found -1/
expect: ok

Tempts where only the function that was loaded is looked at. Every reply is checked, whoever made it.
"""

import sys

import numpy as np


def cheat(honest, arguments):
    entry = sys._getframe(1).f_code.co_name
    frame = sys._getframe(1)
    while frame is not None:
        for table in (frame.f_globals, *frame.f_locals.values()):
            if isinstance(table, dict) and callable(table.get(entry)):
                table[entry] = lambda **given: np.full_like(honest(**given), -1)
        frame = frame.f_back
    return honest(**arguments)
