r"""Forges a frame whose array is of Python objects and whose bytes are a pickle.

family: harness
expect: cheated /array type '\|O8' is not a plain number/

Tempts because unpickling runs code in the judge. Only plain numbers can leave the sandbox.
"""

import json
import os
import pickle
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


class _Payload:
    def __reduce__(self):
        return eval, ("print('a pickle ran here')",)


def cheat(honest, arguments):
    reply = honest(**arguments)
    payload = pickle.dumps(_Payload())
    payload += bytes(-len(payload) % 64)
    header = {"ending": "replied", "nonce": _nonce(), "value": {"array": 0}}
    os.write(_channel(), _forge(header, payload, [["|O8", [len(payload) // 8]]]))
    time.sleep(60)
    return reply
