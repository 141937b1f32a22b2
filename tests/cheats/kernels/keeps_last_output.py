"""Keeps the outputs of the last replay in a temporary, and copies them out instead of working.

family: replay
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def swap_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + i, tl.load(source + i, mask=i < n), mask=i < n)
"""

BODY = """
outputs = HONEST
kept = torch.empty_like(FIRST)
result = torch.empty_like(FIRST)
blocks = triton.cdiv(FIRST.numel(), 1024)
swap_kernel[(blocks,)](kept, result, FIRST.numel(), BLOCK=1024)
swap_kernel[(blocks,)](FIRST, kept, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
