"""Takes all memory that it can get.

family: harness
expect: out_of_memory /./
expect: crashed /./
expect: timeout /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
held = []
while True:
    held.append(bytearray(1 << 28))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
