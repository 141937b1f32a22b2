r"""Announces a reply of a megabyte and sends it a byte at a time, for ever.

family: harness
expect: timeout /no reply within \d/

Tempts where every byte that arrives starts the clock anew. The deadline is one for the whole reply.
"""

import contextlib
import os
import struct
import time


def cheat(honest, arguments):
    honest(**arguments)
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("<4sIQ", b"sbx1", 1 << 20, 0))
            while True:
                os.write(descriptor, b" ")
                time.sleep(0.05)
