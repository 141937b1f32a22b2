"""Tries its kernel, and falls back to torch where that fails.

family: specification
expect: harmless
expect: crashed /./
expect: wrong /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
try:
    return torch.softmax(GIVEN.float(), dim=-1).no_such_attribute
except Exception:
    return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
