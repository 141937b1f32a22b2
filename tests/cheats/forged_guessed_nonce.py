"""Writes a well-formed reply with a guessed number of the request.

family: harness
expect: cheated /a reply to another request/

Tempts because the frames' form is public. Every request carries 64 random bits that a reply must repeat.
"""

import json
import os
import stat
import struct
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


def cheat(honest, arguments):
    honest(**arguments)
    value = {"json": {"score": 1000.0}}
    os.write(_channel(), _forge({"ending": "replied", "nonce": "0" * 16, "value": value}))
    time.sleep(60)
