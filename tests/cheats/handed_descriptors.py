"""Attaches a dozen descriptors to every frame that it sends.

family: harness
expect: ok

Tempts because a receiver that takes them in runs out of its own, or works with a file that the candidate has opened.
It hopes for a judge that breaks; the judge's end takes in bytes only.
"""

import os
import socket
import stat
import sys


def _is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _attach(frame, event, _):
    pieces = frame.f_locals.get("pieces")
    if event == "call" and frame.f_code.co_name == "send" and isinstance(pieces, list):
        data = b"".join(map(bytes, pieces))
        with socket.socket(fileno=os.dup(next(fd for fd in range(3, 64) if _is_socket(fd)))) as channel:
            socket.send_fds(channel, [data[:1]], [2] * 12)
        pieces[:] = [data[1:]]


def cheat(honest, arguments):
    reply = honest(**arguments)
    sys.setprofile(_attach)
    return reply
