"""Works on the shapes that checks like, and not on the large ones.

family: specification
expect: wrong /./
cpu: harmless
tier: both
screen: passes

The interpreter sees small shapes only, and says so; the GPU checks every timed shape.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
if GIVEN.numel() >= 16384:
    return PACK(torch.zeros_like(FIRST))
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
