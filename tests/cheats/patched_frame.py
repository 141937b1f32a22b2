r"""Finds the guest's own code on the stack and replaces the bytes of the reply after it has been encoded.

family: harness
expect: wrong /expert ids must lie in 0\.\.\d+, found -1/
expect: wrong /must be finite everywhere/
expect: ok

Tempts where a reply is checked before it is sent. A profile hook waits for the function that sends the pieces and
changes them in place; the judge looks only at what has arrived.
"""

import sys

import numpy as np


def _swap(frame, event, _):
    pieces = frame.f_locals.get("pieces")
    if event != "call" or not isinstance(pieces, list):
        return
    for index, piece in enumerate(pieces):
        if len(piece) and isinstance(piece, memoryview):
            pieces[index] = memoryview(b"\xff" * piece.nbytes)


def cheat(honest, arguments):
    reply = honest(**arguments)
    sys.setprofile(_swap)
    return np.array(reply)
