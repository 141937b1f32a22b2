"""Works only where its argument has the address that it had when it was recorded.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: harmless
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def branch_kernel(source, target, given, address, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(source + i, mask=i < n)
    tl.store(target + i, x, mask=(i < n) & (given.to(tl.int64) == address))
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
branch_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, GIVEN, GIVEN.data_ptr(), FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
