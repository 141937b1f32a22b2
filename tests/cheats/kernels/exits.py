"""Ends its process and claims success by the status.

family: harness
expect: crashed /exit status 0/
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
"""

BODY = """
os._exit(0)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
