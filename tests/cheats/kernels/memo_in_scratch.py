"""Leaves a mark in scratch memory, and on finding it again does nothing.

family: replay
expect: harmless
expect: wrong /./
tier: both
screen: passes

Scratch is poisoned before each trial and so are outputs, so the mark is never found.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def memo_kernel(source, target, mark, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    seen = tl.load(mark) == 20260101
    x = tl.load(source + i, mask=i < n)
    tl.store(target + i, x, mask=(i < n) & (not seen))
    tl.store(mark + 1, 20260101)
"""

BODY = """
outputs = HONEST
mark = torch.empty((4,), device=GIVEN.device, dtype=torch.int32)
result = torch.empty_like(FIRST)
memo_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, mark, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
