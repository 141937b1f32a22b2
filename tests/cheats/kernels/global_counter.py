"""Counts its runs in a temporary by an atomic, to know a first from a later one.

family: replay
expect: harmless
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def count_kernel(count):
    tl.atomic_add(count, 1)


@triton.jit
def guarded_kernel(source, target, count, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    later = (tl.load(count) > 1) & (tl.load(count) < 1000)
    x = tl.load(source + i, mask=i < n)
    tl.store(target + i, x, mask=(i < n) & (not later))
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
count = torch.empty((1,), device=GIVEN.device, dtype=torch.int32)
count_kernel[(1,)](count)
guarded_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, count, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
