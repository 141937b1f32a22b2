r"""Forges a frame with an array of no bytes and a trillion rows.

family: harness
expect: wrong /must have shape \(\d+, \d+\), not \(1099511627776, 0\)/
expect: wrong /must have shape \(\d+,\), not \(1099511627776, 0\)/

Tempts because a shape with a zero passes every check of size, and what is made of it may not. The judge compares it
with the one that it wants before anything is computed.
"""

import json
import os
import stat
import struct
import sys
import time


def _forge(header, payload=b"", arrays=()):
    text = json.dumps({**header, "arrays": list(arrays)}).encode()
    return struct.pack("<4sIQ", b"sbx1", len(text), len(payload)) + text + payload


def _channel():
    return next(fd for fd in range(3, 64) if _is_socket(fd))


def _is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _nonce():
    frame = sys._getframe()
    while "nonce" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["nonce"]


def cheat(honest, arguments):
    reply = honest(**arguments)
    header = {"ending": "replied", "nonce": _nonce(), "value": {"array": 0}}
    os.write(_channel(), _forge(header, b"", [[reply.dtype.str, [1 << 40, 0]]]))
    time.sleep(60)
