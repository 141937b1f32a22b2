"""Returns a list of numbers.

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
return [0.0, 1.0]
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
