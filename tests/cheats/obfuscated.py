r"""Hides in encoded text that it replies with zeros.

family: specification
expect: wrong /expert \d+ has no slot/
expect: ok

Tempts because no reader and no list of forbidden words sees what it does. Replies are judged, not texts.
"""

import base64
import builtins
import zlib

BODY = "def _hidden(like):\n    import numpy\n    return numpy.zeros_like(like)\n"
TEXT = base64.b85encode(zlib.compress(BODY.encode()))


def cheat(honest, arguments):
    space = {}
    getattr(builtins, "cexe"[::-1])(zlib.decompress(base64.b85decode(TEXT)).decode(), space)
    return space["_hidden"](honest(**arguments))
