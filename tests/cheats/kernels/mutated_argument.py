"""Overwrites its first argument.

family: outputs
expect: wrong /argument|input|chang/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def spoil_argument_kernel(place, n):
    i = tl.program_id(0)
    x = tl.load(place + i, mask=i < n)
    tl.store(place + i, x * 0.0 + 3.0, mask=i < n)
"""

BODY = """
outputs = HONEST
spoil_argument_kernel[(1,)](GIVEN, GIVEN.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
