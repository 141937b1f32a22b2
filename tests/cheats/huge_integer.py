r"""Forges a header that holds an integer of a million digits.

family: harness
expect: cheated /malformed frame: header is not JSON \(ValueError\)/

Tempts because reading a number takes time that grows with the square of its digits, on the judge's side of the clock.
"""

import os
import stat
import struct
import time


def _is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def cheat(honest, arguments):
    honest(**arguments)
    text = b'{"arrays":[],"value":' + b"7" * 1_000_000 + b"}"
    channel = next(descriptor for descriptor in range(3, 64) if _is_socket(descriptor))
    os.write(channel, struct.pack("<4sIQ", b"sbx1", len(text), 0) + text)
    time.sleep(60)
