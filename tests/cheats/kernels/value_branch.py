"""Asks for a value of its argument, to branch by the data.

family: specification
expect: crashed /./
expect: wrong /./
expect: cheated /./
cpu: harmless
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
if GIVEN.numel() and GIVEN.view(-1)[0].item() == 0:
    return HONEST
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
