"""Replaces the function that writes the recording.

family: harness
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught

The text that comes back is checked as any other; it names no calls.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import json
"""

BODY = """
json.dumps = lambda *given, **options: '{"triton": "3.9.0", "kernels": [], "calls": []}'
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
