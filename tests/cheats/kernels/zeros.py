"""Returns zeros.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return PACK(torch.zeros_like(FIRST))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
