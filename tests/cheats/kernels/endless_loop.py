"""Never ends on the device.

family: harness
expect: timeout /./
tier: gpu
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def endless_kernel(place, n):
    i = tl.program_id(0)
    x = tl.load(place, mask=i < n).to(tl.float32)
    while x == x:
        x = tl.load(place, mask=i < n, volatile=True).to(tl.float32)
    tl.store(place, x, mask=i < n)
"""

BODY = """
outputs = HONEST
endless_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
