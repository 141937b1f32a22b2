"""Unrolls a loop a million times when it is compiled.

family: specification
expect: timeout /./
expect: crashed /./
expect: out_of_memory /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def unrolled_kernel(place, n, TURNS: tl.constexpr):
    i = tl.program_id(0)
    x = tl.load(place, mask=i < n).to(tl.float32)
    for turn in tl.static_range(0, TURNS):
        x = x * 1.5 + turn
    tl.store(place, x, mask=(i < n) & (x < 0) & (x > 0))
"""

BODY = """
outputs = HONEST
unrolled_kernel[(1,)](FIRST, FIRST.numel(), TURNS=1000000)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
