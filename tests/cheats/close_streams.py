"""Closes its output streams and reopens them as files.

family: harness
expect: ok

Tempts because a judge that waits for the log to end is released early, and one that writes there fails. It hopes to
be judged without a log; the log is only kept, never needed.
"""

import io
import os
import sys


def cheat(honest, arguments):
    reply = honest(**arguments)
    os.closerange(0, 3)
    for name in ("in", "out", "err"):
        os.open(name, os.O_CREAT | os.O_RDWR)
    sys.stdout = sys.stderr = sys.__stdout__ = io.StringIO()
    return reply
