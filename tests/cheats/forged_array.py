r"""Finds the request's number on the stack and sends a well-formed frame with an array that is not legal.

family: harness
expect: wrong /expert ids must lie in 0\.\.\d+, found -1/
expect: wrong /must be finite everywhere/

Tempts where checks run before the frame is made. They run on what has arrived.
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
    payload = b"\xff" * reply.nbytes  # -1 for integers, not a number for floats
    payload += bytes(-len(payload) % 64)
    header = {"ending": "replied", "nonce": _nonce(), "value": {"array": 0}}
    os.write(_channel(), _forge(header, payload, [[reply.dtype.str, list(reply.shape)]]))
    time.sleep(60)
