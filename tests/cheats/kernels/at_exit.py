"""Puts the work off to the end of the process.

family: timing
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import atexit
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
atexit.register(lambda: result.copy_(FIRST))
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
