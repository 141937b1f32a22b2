"""Computes with torch in the body of a kernel.

family: specification
expect: crashed /./
expect: wrong /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def torch_kernel(place, n):
    torch.softmax(torch.zeros(4), dim=-1)
"""

BODY = """
outputs = HONEST
torch_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
