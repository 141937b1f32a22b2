"""Calls a function of a library of its own from a kernel.

family: specification
expect: crashed /./
expect: wrong /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def extern_kernel(place, n):
    i = tl.program_id(0)
    x = tl.load(place, mask=i < n)
    y = tl.extra.libdevice.no_such_function(x)
    tl.store(place, y, mask=i < n)
"""

BODY = """
outputs = HONEST
extern_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
