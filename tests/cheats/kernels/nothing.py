"""Returns None.

family: outputs
expect: wrong /./
expect: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return None
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
