"""Launches a kernel that stores nothing, and returns what it allocated.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def nothing_kernel(place, n):
    i = tl.program_id(0)
    tl.store(place + i, 0.0, mask=i >= n)
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
nothing_kernel[(1,)](result, 1)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
