"""Reads the experts' rows in order, not by the permutation.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def order_kernel(target, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + i, i, mask=i < n)
"""

BODY = """
rows = torch.empty_like(row_of)
order_kernel[(triton.cdiv(rows.numel(), 1024),)](rows, rows.numel(), BLOCK=1024)
return honest_entry(expert_out, rows, weights)
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "moe_combine":
        return None
    return wrapped(source, subject, BODY, top=TOP)
