"""Launches on a stream of its own, which a clock on the usual one does not see.

family: timing
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
stream = torch.cuda.Stream()
with torch.cuda.stream(stream):
    outputs = HONEST
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
