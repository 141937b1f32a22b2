"""Reads the device's clock by inline assembly.

family: specification
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def clock_kernel(place):
    now = tl.inline_asm_elementwise("mov.u32 $0, %clock;", "=r", [], dtype=tl.int32, is_pure=False, pack=1)
    tl.store(place, now)
"""

BODY = """
outputs = HONEST
clock_kernel[(1,)](torch.empty((4,), device=GIVEN.device, dtype=torch.int32))
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
