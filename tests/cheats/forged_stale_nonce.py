"""Answers all calls but the first with the frame of the first, number of the request included.

family: harness
expect: cheated /a reply to another request/

Tempts because a recorded reply costs nothing. Every request has a number of its own, so a frame is good once.
"""

import sys

_recorded = []


def _replay(frame, event, _):
    pieces = frame.f_locals.get("pieces")
    if event == "call" and frame.f_code.co_name == "send" and isinstance(pieces, list):
        if not _recorded:
            _recorded.extend(map(bytes, pieces))
        pieces[:] = _recorded


def cheat(honest, arguments):
    if not _recorded:
        reply = honest(**arguments)
        sys.setprofile(_replay)
        return reply
    return 0  # takes no time, and is replaced
