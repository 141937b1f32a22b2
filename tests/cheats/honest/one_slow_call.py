"""Takes most of a second for one call, and no time for the others.

family: honest
expect: ok

A machine may hiccup, so the slowest tenth of the calls is left out of the mean. That a program can plan with this
is legal, and known.
"""

import time

_calls = []


def cheat(honest, arguments):
    _calls.append(1)
    if len(_calls) == 2:
        time.sleep(0.6)
    return honest(**arguments)
