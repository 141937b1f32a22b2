"""Starts a thread that launches after it has returned.

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

TOP = """
import threading
"""

BODY = """
outputs = HONEST
threading.Timer(0.01, lambda: HONEST).start()
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
