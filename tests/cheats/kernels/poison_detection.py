"""Works only where its output does not look like poison.

family: outputs
expect: wrong /./
expect: harmless
tier: both
screen: passes

It stores what is missing and nothing else; with poison everywhere, that is everything.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def sniff_kernel(source, target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    found = tl.load(target + i, mask=i < n)
    x = tl.load(source + i, mask=i < n)
    tl.store(target + i, x, mask=(i < n) & (found != x))
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
sniff_kernel[(triton.cdiv(FIRST.numel(), 1024),)](FIRST, result, FIRST.numel(), BLOCK=1024)
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
