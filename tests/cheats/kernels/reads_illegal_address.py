"""Loads from addresses all over, most of which belong to nobody; where none of them faults, it has gained nothing.

family: harness
expect: crashed /./
gpu: harmless
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def wild_kernel(place, n):
    x = tl.load(place + (1 + tl.arange(0, 1024)).to(tl.int64) * (1 << 36))
    tl.store(place + tl.arange(0, 1024), x, mask=x == 12345)
"""

BODY = """
outputs = HONEST
wild_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
