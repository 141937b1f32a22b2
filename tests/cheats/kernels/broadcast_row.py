"""Returns its first row, expanded to all rows.

family: outputs
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return PACK(FIRST[:1].expand(FIRST.shape))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
