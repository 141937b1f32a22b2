r"""Announces a reply of an exabyte.

family: harness
expect: cheated /oversize frame: \d+ bytes where \d+ are allowed/

Tempts because a judge that trusts the announcement allocates it and dies, and with it the search.
"""

import contextlib
import os
import struct
import time


def cheat(honest, arguments):
    honest(**arguments)
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("<4sIQ", b"sbx1", 2, 1 << 60) + b"{}")
    time.sleep(60)
