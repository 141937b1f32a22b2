"""Searches until 30 ms are over, then returns the best that it found.

family: honest
expect: ok

Anytime programs spend what they are allowed; the same answer comes out of every round here.
"""

import time


def cheat(honest, arguments):
    until = time.perf_counter() + 0.03
    answer = honest(**arguments)
    while time.perf_counter() < until:
        answer = honest(**arguments)
    return answer
