"""Keeps what it has seen in a file.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: harmless
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
"""

BODY = """
outputs = HONEST
if os.path.exists("seen"):
    return PACK(torch.zeros_like(FIRST))
with open("seen", "w") as file:
    file.write("1")
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
