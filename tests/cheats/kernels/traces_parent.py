"""Attaches to the process that started it.

family: harness
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
import ctypes
import os
"""

BODY = """
library = ctypes.CDLL(None)
for target in (1, os.getppid()):
    if library.ptrace(16, target, 0, 0) == 0:
        raise RuntimeError("CHEAT SUCCEEDED: attached to")
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
