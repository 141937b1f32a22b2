"""Stores a little before its output.

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
def before_kernel(place):
    tl.store(place - 4 + tl.arange(0, 4), 1.0)
"""

BODY = """
outputs = HONEST
before_kernel[(1,)](FIRST)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
