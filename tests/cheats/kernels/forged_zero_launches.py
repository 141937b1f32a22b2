"""Strikes all launches out of the text of the recording.

family: harness
cpu: harmless
gpu: wrong /./
tier: both
screen: caught

Without launches outputs are poison. Under the interpreter nothing is recorded; there it is harmless.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import json

plain = json.dumps
"""

BODY = """
def dumps(value, *given, **options):
    if isinstance(value, dict):
        for call in value.get("calls", ()):
            call["steps"] = []
    return plain(value, *given, **options)

json.dumps = dumps
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
