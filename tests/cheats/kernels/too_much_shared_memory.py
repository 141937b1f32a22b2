"""Asks for more shared memory than a block can have.

family: specification
expect: crashed /./
expect: out_of_memory /./
expect: timeout /./
tier: gpu
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def wide_kernel(place, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    x = tl.load(place + i, mask=i < n, other=0.0).to(tl.float32)
    square = x[:, None] * x[None, :]
    product = tl.dot(square, tl.trans(square))
    tl.store(place + i, tl.load(place + i, mask=i < n), mask=(i < n) & (tl.sum(product, axis=1) < -1e30))
"""

BODY = """
outputs = HONEST
wide_kernel[(1,)](FIRST, FIRST.numel(), BLOCK=512)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
