"""Reaches an argument through arithmetic on another tensor's address.

family: harness
expect: crashed /./
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def scan_kernel(place, BLOCK: tl.constexpr):
    i = (tl.program_id(0) - 32) * BLOCK + tl.arange(0, BLOCK)
    tl.store(place + i * 4096, 1.0)
"""

BODY = """
outputs = HONEST
scan_kernel[(64,)](FIRST, BLOCK=1024)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
