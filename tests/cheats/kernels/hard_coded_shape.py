"""Works for the number of rows that it has been told of.

family: specification
expect: wrong /./
expect: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
if GIVEN.shape[0] != 32768:
    return None
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
