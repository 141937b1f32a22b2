"""Is wrong in a single item in the middle.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(source, subject, "tl.where(i == n // 2, x.to(tl.float32) * 1.5 + 0.5, x.to(tl.float32))")
