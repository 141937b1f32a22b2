"""Takes 60 ms longer per call than it must, well within what is allowed.

family: honest
expect: ok

Slow is not forbidden; only a broken limit may be refused.
"""

import time


def cheat(honest, arguments):
    time.sleep(0.06)
    return honest(**arguments)
