"""Has a device function that two kernels share.

family: honest
expect: harmless
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def same(x, ONE: tl.constexpr):
    return x * ONE


@triton.jit
def calling_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + i, same(tl.load(source + i, mask=i < n), 1), mask=i < n)
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
calling_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
