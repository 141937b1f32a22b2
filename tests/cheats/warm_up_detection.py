r"""Is quick while it may be looked at for a start, and slow from the fourth call on.

family: timing
expect: timeout /takes \d+ ms per (window|request|step|call|period)/
expect: ok

An evaluator that times a few calls and then lets the program work unwatched measures the wrong ones. Every call must
be timed.
"""

import time

_calls = []


def cheat(honest, arguments):
    _calls.append(1)
    if len(_calls) > 3:
        time.sleep(0.4)
    return honest(**arguments)
