"""Is honest every second time.

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
calls = []
"""

BODY = """
calls.append(1)
outputs = HONEST
if len(calls) % 2 == 0:
    return PACK(torch.zeros_like(FIRST))
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
