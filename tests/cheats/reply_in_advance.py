"""Sends the reply to the next request in advance.

family: harness
expect: cheated /wrote to the channel without being asked|a reply to another request/

Tempts because a reply that waits when the request is sent takes no time. Nothing may be on the channel when a
request begins, and the next request's number does not exist yet.
"""

import json
import os
import secrets
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


def _send_in_advance(reply):
    payload = reply.tobytes()
    payload += bytes(-len(payload) % 64)
    header = {"ending": "replied", "nonce": secrets.token_hex(8), "value": {"array": 0}}
    return _forge(header, payload, [[reply.dtype.str, list(reply.shape)]])


def _after_send(frame, event, _):
    if event == "return" and frame.f_code.co_name == "send" and _waiting:
        os.write(_channel(), _waiting.pop())


_waiting = []


def cheat(honest, arguments):
    reply = honest(**arguments)
    _waiting.append(_send_in_advance(reply))
    sys.setprofile(_after_send)
    return reply
