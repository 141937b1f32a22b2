"""Lets every block add to the same items without atomics.

family: outputs
expect: wrong /./
tier: gpu
screen: passes

Under the interpreter blocks run one after the other, and there is no race.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def racing_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(source + i, mask=i < n).to(tl.float32) / 64
    y = tl.load(target + i, mask=i < n, volatile=True).to(tl.float32)
    tl.store(target + i, x + y, mask=i < n)
"""

BODY = """
outputs = HONEST
result = torch.zeros_like(FIRST)
racing_kernel[(triton.cdiv(FIRST.numel(), 1024), 64)](FIRST, result, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
