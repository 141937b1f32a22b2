"""Returns its first argument where that has enough items, as the output.

family: outputs
expect: wrong /./
expect: cheated /lies in the argument/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return PACK(GIVEN.view(-1)[: FIRST.numel()].view(FIRST.shape))
"""


def cheat(source: str, subject: Subject) -> str | None:
    if not subject.is_matrix:
        return None
    return wrapped(source, subject, BODY)
