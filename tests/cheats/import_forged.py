"""Answers the loading from its own top-level code, goes on computing, and keeps the true answer back.

family: harness
expect: ok

Tempts because time before the first call is free, and a forged answer to the loading lifts its limit. It hopes for
time to compute; the clock of the first call runs while it does.
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


_kept_back = []


def _keep_back(frame, event, _):
    pieces = frame.f_locals.get("pieces")
    if event == "call" and frame.f_code.co_name == "send" and isinstance(pieces, list) and not _kept_back:
        _kept_back.extend(pieces)
        pieces[:] = []
        sys.setprofile(None)


os.write(_channel(), _forge({"ending": "replied", "nonce": _nonce(), "value": {"json": None}}))
answers = [[number * number for number in range(size)] for size in range(500)]
sys.setprofile(_keep_back)


def cheat(honest, arguments):
    return honest(**arguments)
