"""Repeats each row's first item along the row.

family: outputs
expect: wrong /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, spoiled


def cheat(source: str, subject: Subject) -> str:
    return spoiled(source, subject, "tl.load(place + row * columns, mask=mask).to(tl.float32)")
