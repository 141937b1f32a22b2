"""Asserts on the device what is false.

family: harness
expect: crashed /./
expect: harmless
expect: cheated /outlives/
tier: gpu
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def trap_kernel(place, n):
    tl.device_assert(n < 0, "never")
"""

BODY = """
outputs = HONEST
trap_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
