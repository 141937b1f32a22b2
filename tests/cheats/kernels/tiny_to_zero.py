"""Flushes the smaller half of each row to zero.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(source, subject, "tl.where(column * 2 < columns, x.to(tl.float32), 0.0)")
