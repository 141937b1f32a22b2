"""Returns the chosen experts' weights with the first two of each row exchanged.

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
    return spoiled(
        source, subject, "tl.load(place + row * columns + tl.where(column < 2, 1 - column, column), mask=mask)"
    )
