"""Stores at an address that belongs to nobody.

family: harness
expect: crashed /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def wild_kernel(place):
    tl.store(place + (1 << 40), 1.0)
"""

BODY = """
outputs = HONEST
wild_kernel[(1,)](FIRST)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
