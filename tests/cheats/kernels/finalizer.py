"""Puts the work off to the finalizer of an object.

family: timing
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
later = []


class Later:
    def __init__(self, work):
        self.work = work

    def __del__(self):
        self.work()
"""

BODY = """
outputs = HONEST
result = torch.empty_like(FIRST)
later.append(Later(lambda: result.copy_(FIRST)))
return PACK(result)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
