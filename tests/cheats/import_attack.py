"""Attacks when it is imported: forges the answer to the loading and leaves with success.

family: harness
expect: crashed /exit status 0/

Tempts because a harness may watch calls and not imports. Loading is a request like any other.
"""

import json
import os
import stat
import struct
import sys


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


os.write(_channel(), _forge({"ending": "replied", "nonce": _nonce(), "value": {"json": None}}))
os._exit(0)


def cheat(honest, arguments):
    return honest(**arguments)
