"""Returns a tensor of a terabyte.

family: harness
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: out_of_memory /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return PACK(torch.empty((1 << 38,), dtype=torch.float32, device=GIVEN.device))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
