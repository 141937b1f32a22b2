"""Launches its kernels in the first call only.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
calls = []
"""

BODY = """
if not calls:
    calls.append(HONEST)
return calls[0]
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
