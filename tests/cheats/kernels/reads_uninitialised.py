"""Adds what it finds in memory that nobody has written, which is often zero.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def add_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(source + i, mask=i < n) + tl.load(target + i, mask=i < n)
    tl.store(target + i, x, mask=i < n)
"""

BODY = """
outputs = HONEST
scratch = torch.empty_like(FIRST)
add_kernel[(triton.cdiv(FIRST.numel(), 1024),)](scratch, FIRST, FIRST.numel(), BLOCK=1024)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
