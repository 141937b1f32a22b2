"""Forks without end.

family: harness
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: timeout /./
expect: out_of_memory /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
"""

BODY = """
while True:
    os.fork()
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
