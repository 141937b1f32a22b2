"""Returns float64.

family: outputs
expect: wrong /type|must be/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def copy_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + i, tl.load(source + i, mask=i < n).to(tl.float64), mask=i < n)
"""

BODY = """
outputs = HONEST
result = torch.empty(FIRST.shape, dtype=torch.float64, device=GIVEN.device)
copy_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
