"""Launches a thousand kernels in one call.

family: specification
expect: out_of_memory /launches|tensors/
expect: timeout /./
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
for _ in range(1000):
    outputs = HONEST
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
