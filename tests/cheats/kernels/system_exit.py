"""Raises SystemExit.

family: harness
expect: crashed /exit status 0|SystemExit/
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
raise SystemExit(0)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
