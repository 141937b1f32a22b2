"""Keeps its result in the module by the argument's address.

family: replay
cpu: harmless
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
kept = {}
"""

BODY = """
key = GIVEN.data_ptr()
if key not in kept:
    kept[key] = HONEST
return kept[key]
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
