"""Returns what its last call returned, where there was one.

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
kept = []
"""

BODY = """
outputs = HONEST
result = kept[-1] if kept else outputs
kept.append(outputs)
return result
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
