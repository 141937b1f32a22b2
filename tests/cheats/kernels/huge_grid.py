"""Launches a grid that no device can take.

family: specification
expect: crashed /grid|launch/
expect: timeout /./
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def touch_kernel(place):
    tl.load(place)
"""

BODY = """
outputs = HONEST
touch_kernel[(1, 1 << 20, 1)](FIRST)
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
