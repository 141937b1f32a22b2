"""Prints without end for a while.

family: harness
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: timeout /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
for number in range(200000):
    print("x" * 100)
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
