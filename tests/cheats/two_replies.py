"""Sends every reply twice.

family: harness
expect: cheated /wrote to the channel without being asked|a reply to another request/

Tempts where one that waits in the pipe is taken for the next call's, which then takes no time. Bytes that nobody
asked for end the session.
"""

import os
import stat
import sys


def _is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _twice(frame, event, _):
    pieces = frame.f_locals.get("pieces")
    if event == "call" and frame.f_code.co_name == "send" and isinstance(pieces, list):
        pieces[:] = [b"".join(map(bytes, pieces)) * 2]


def cheat(honest, arguments):
    reply = honest(**arguments)
    sys.setprofile(_twice)
    return reply
