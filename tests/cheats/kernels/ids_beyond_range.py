"""Names an expert that does not exist.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "topk_gating":
        return None
    return spoiled(source, subject, "tl.where(i == n - 1, 1 << 20, x)", output=1)
