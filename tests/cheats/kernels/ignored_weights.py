"""Sums with equal weights.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
return honest_entry(expert_out, row_of, torch.full_like(weights, 1.0 / weights.shape[-1]))
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "moe_combine":
        return None
    return wrapped(source, subject, BODY)
