"""Closes every descriptor and goes on running.

family: harness
expect: cheated /closed the channel and went on running/

Tempts where a judge waits for the end of a process that has stopped talking.
"""

import os
import time


def cheat(honest, arguments):
    honest(**arguments)
    os.closerange(0, 64)
    time.sleep(60)
