"""Does the first half of the rows.

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
    return spoiled(source, subject, "tl.where(row * 2 < rows, x.to(tl.float32), 0.0)")
