"""Spins for a while before it works, to make the clock unsure.

family: timing
expect: harmless
expect: wrong /./
expect: crashed /./
tier: gpu
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def spin_kernel(place, n, turns):
    i = tl.program_id(0)
    x = tl.load(place, mask=i < n)
    y = x.to(tl.float32)
    for _ in range(0, turns):
        y = y * 1.0000001
    tl.store(place, x, mask=(i < n) & (y < 1e30))
"""

BODY = """
outputs = HONEST
spin_kernel[(1,)](FIRST, FIRST.numel(), 20000)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
