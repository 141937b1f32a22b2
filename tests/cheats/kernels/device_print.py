"""Prints from the device.

family: harness
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
def print_kernel(place, n):
    tl.device_print("x", n)
"""

BODY = """
outputs = HONEST
print_kernel[(64,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
