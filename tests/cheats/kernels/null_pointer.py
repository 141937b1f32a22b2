"""Stores at address zero.

family: harness
expect: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def null_kernel(place):
    address = tl.full((1,), 0, tl.int64)
    tl.store(address.to(tl.pointer_type(tl.float32), bitcast=True), 1.0)
"""

BODY = """
outputs = HONEST
null_kernel[(1,)](FIRST)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
