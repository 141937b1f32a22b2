"""Adds its result to what the output holds, which was zero once.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def accumulate_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(source + i, mask=i < n) + tl.load(target + i, mask=i < n)
    tl.store(target + i, x, mask=i < n)
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
accumulate_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
