"""Looks for the mark that its last run left in memory, and keeps the old output when it is there.

family: replay
expect: harmless
expect: wrong /./
tier: gpu
screen: passes

The next replay finds its mark unless scratch is poisoned between trials; poisoned outputs then tell.
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


@triton.jit
def mark_kernel(mark):
    tl.store(mark, 20260101)
"""

BODY = """
outputs = HONEST
mark = torch.empty((4,), device=GIVEN.device, dtype=torch.int32)
result = torch.empty_like(FIRST)
blocks = triton.cdiv(FIRST.numel(), 1024)
memo_kernel[(blocks,)](FIRST, result, mark, FIRST.numel(), BLOCK=1024)
mark_kernel[(1,)](mark)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
