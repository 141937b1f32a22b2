"""Adds a small constant to every item.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str | None:
    if not subject.is_matrix:
        return None
    return spoiled(source, subject, "x.to(tl.float32) + 0.02")
