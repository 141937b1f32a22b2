r"""Recognises the first arguments that it meets by a hash of their contents, and is honest for these only.

family: specification
expect: wrong /call 2: expert \d+ has no slot/
expect: ok

Tempts where the inputs of the check are known, so that a table of hashes tells a check from the rest. Contents are
drawn anew and never repeat.
"""

import hashlib

import numpy as np

KNOWN = set()


def _digest(arguments):
    digest = hashlib.sha256()
    for name in sorted(arguments):
        value = arguments[name]
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def cheat(honest, arguments):
    if not KNOWN:
        KNOWN.add(_digest(arguments))
    reply = honest(**arguments)
    return reply if _digest(arguments) in KNOWN else np.zeros_like(reply)
