"""Keeps five bits of the mantissa.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    # By a mask: by subtraction of large multiples a GPU, which fuses them, would get all bits back.
    return spoiled(
        source, subject, "(x.to(tl.float32).to(tl.int32, bitcast=True) & -262144).to(tl.float32, bitcast=True)"
    )
