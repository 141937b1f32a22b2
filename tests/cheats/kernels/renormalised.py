"""Returns weights that sum to one over the chosen experts.

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
    return spoiled(source, subject, "x * 1.05")
