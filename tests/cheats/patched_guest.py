"""Patches the code that answers calls so that every reply also claims a score and no time at all.

family: harness
expect: ok

Tempts because that code lives in the candidate's process. What it hopes for is a field that the judge believes;
there is none, for the judge measures time and score itself.
"""

import json
import struct
import sys


def _claim(pieces):
    first = bytes(pieces[0])
    magic, length, payload = struct.unpack_from("<4sIQ", first)
    header = json.loads(first[16 : 16 + length])
    header.update(score=1000.0, seconds=0.0, objective=1.0, outcome="ok", measured={"objective": 1.0})
    text = json.dumps(header).encode()
    pieces[0] = struct.pack("<4sIQ", magic, len(text), payload) + text


def _hook(frame, event, _):
    if event == "call" and frame.f_code.co_name == "send" and isinstance(frame.f_locals.get("pieces"), list):
        _claim(frame.f_locals["pieces"])


def cheat(honest, arguments):
    sys.setprofile(_hook)
    return honest(**arguments)
