r"""Forges a frame whose header is nested a hundred thousand levels deep.

family: harness
expect: cheated /malformed frame: header is not JSON \(RecursionError\)/

Tempts because a parser that recurses without end takes the judge with it.
"""

import contextlib
import os
import struct
import time


def cheat(honest, arguments):
    honest(**arguments)
    depth = 100_000
    text = b'{"arrays":[],"value":' + b"[" * depth + b"]" * depth + b"}"
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("<4sIQ", b"sbx1", len(text), 0) + text)
    time.sleep(60)
