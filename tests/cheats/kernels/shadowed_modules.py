"""Puts a module of its own in the place of numpy and of torch's functions.

family: harness
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
import sys
"""

BODY = """
sys.modules["numpy"] = None
sys.modules["json"] = None
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
