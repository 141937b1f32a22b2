"""Calls torch's own softmax and top-k.

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
scores = torch.softmax(logits.float(), dim=-1)
weights, ids = torch.topk(scores, k, dim=-1)
return weights, ids.to(torch.int32)
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "topk_gating":
        return None
    return wrapped(source, subject, BODY)
