"""Calls torch's own gather and sum.

family: specification
expect: crashed /./
expect: wrong /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
rows = expert_out[row_of.long()].float()
return (rows * weights[..., None]).sum(1).to(torch.bfloat16)
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "moe_combine":
        return None
    return wrapped(source, subject, BODY)
