"""Decides by a coin whether it works.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import random
"""

BODY = """
outputs = HONEST
if random.random() < 0.5:
    return PACK(torch.zeros_like(FIRST))
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
