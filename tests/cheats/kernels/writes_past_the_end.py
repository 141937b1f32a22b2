"""Stores a little beyond its output.

family: outputs
expect: crashed /outside of its tensors/
gpu: wrong /out of bounds/
gpu: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def beyond_kernel(place, n):
    tl.store(place + n + tl.arange(0, 4), 1.0)
"""

BODY = """
outputs = HONEST
beyond_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
