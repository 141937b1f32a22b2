"""Replaces Triton's benchmark function.

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
import triton.testing
"""

BODY = """
triton.testing.do_bench = lambda function, **options: 1e-9
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
