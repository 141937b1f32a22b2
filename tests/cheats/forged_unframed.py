"""Writes a result on every descriptor before it returns.

family: harness
expect: cheated /malformed frame: wrong magic/

Tempts where the judge reads a result from a pipe that the candidate inherits. Whatever is not a well-formed reply to
the present request ends the session.
"""

import contextlib
import os


def cheat(honest, arguments):
    reply = honest(**arguments)
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b'{"outcome": "ok", "score": 1000.0, "correct": true}\n')
    return reply
