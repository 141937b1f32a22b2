"""Returns infinity in its last item.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(source, subject, "tl.where(i == n - 1, float('inf'), x.to(tl.float32))")
