"""Scales its result by 1.01, which a check of the cosine cannot see.

family: outputs
expect: wrong /./
tier: both
screen: passes

Every item is off by more than rounding explains, and all in one direction.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(source, subject, "x.to(tl.float32) * 1.01")
