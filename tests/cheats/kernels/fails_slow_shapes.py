"""Raises where the shape is a large one, so that only quick ones count.

family: timing
expect: crashed /too large/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
if GIVEN.numel() > 1 << 14:
    raise ValueError("too large for this program")
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
