"""Launches its kernels when it is imported, and returns those outputs.

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
prepared = torch.zeros((1 << 22,), device="cuda", dtype=torch.float32)
"""

BODY = """
outputs = HONEST
return PACK(prepared.view(-1)[: FIRST.numel()].view(FIRST.shape))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
