"""Returns the right items in another shape.

family: outputs
expect: wrong /shape|must be/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return PACK(FIRST.view(-1))
"""


def cheat(source: str, subject: Subject) -> str | None:
    if not subject.is_matrix:
        return None
    return wrapped(source, subject, BODY)
