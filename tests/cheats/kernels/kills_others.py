"""Sends SIGKILL to everything that it may.

family: harness
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
expect: timeout /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
import signal
"""

BODY = """
for target in (1, os.getppid(), -1):
    try:
        os.kill(target, signal.SIGKILL)
    except OSError:
        pass
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
