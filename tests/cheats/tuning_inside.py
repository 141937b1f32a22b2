r"""Spends its first calls on a search, and lives on what it found.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: ok

First calls are dropped as warm-up nearly everywhere, so that tuning on the very input that is timed costs nothing.
A slow first call is no excuse beyond what the rules leave out.
"""

import time

_calls = []


def cheat(honest, arguments):
    _calls.append(1)
    answer = honest(**arguments)
    if len(_calls) <= 4:
        until = time.perf_counter() + 0.6
        while time.perf_counter() < until:
            answer = honest(**arguments)
    return answer
