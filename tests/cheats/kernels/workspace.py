"""Allocates a temporary of many gigabytes.

family: specification
expect: out_of_memory /./
cpu: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def mark_kernel(place):
    tl.store(place, 1)
"""

BODY = """
outputs = HONEST
workspace = torch.empty((1 << 36,), dtype=torch.uint8, device=GIVEN.device)
mark_kernel[(1,)](workspace)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
