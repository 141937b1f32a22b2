"""Sends half of a reply and leaves with exit status 0.

family: harness
expect: crashed /exit status 0/

Tempts where a judge fills up what is missing, or waits for ever for the rest.
"""

import contextlib
import os
import struct


def cheat(honest, arguments):
    honest(**arguments)
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("<4sIQ", b"sbx1", 400, 4096) + b'{"ending":"replied",')
    os._exit(0)
