"""Keeps five bits of the mantissa.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(
        source, subject, "(x.to(tl.float32) * 524289.0) - ((x.to(tl.float32) * 524289.0) - x.to(tl.float32))"
    )
