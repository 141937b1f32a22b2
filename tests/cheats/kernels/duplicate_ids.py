"""Names the best expert twice and leaves the last out.

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
        source, subject, "tl.where(column == columns - 1, tl.load(place + row * columns, mask=mask), x)", output=1
    )
