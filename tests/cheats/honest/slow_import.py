"""Builds a large table while it is loaded, for half a second.

family: honest
expect: ok

Loading has a limit of its own and does not count as planning.
"""

import time

_started = time.perf_counter()
_table = {}
while time.perf_counter() - _started < 0.5:
    _table[len(_table)] = len(_table) ** 2


def cheat(honest, arguments):
    assert _table[10] == 100
    return honest(**arguments)
