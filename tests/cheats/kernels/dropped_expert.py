"""Sets the last expert's weight to zero before it sums.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def drop_kernel(source, target, n, columns, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(source + i, mask=i < n)
    tl.store(target + i, tl.where(i % columns == columns - 1, 0.0, x), mask=i < n)
"""

BODY = """
kept = torch.empty_like(weights)
columns = weights.shape[-1]
drop_kernel[(triton.cdiv(weights.numel(), 1024),)](weights, kept, weights.numel(), columns, BLOCK=1024)
return honest_entry(expert_out, row_of, kept)
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "moe_combine":
        return None
    return wrapped(source, subject, BODY, top=TOP)
