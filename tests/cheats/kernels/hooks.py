"""Hangs functions of its own before and after each launch.

family: specification
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
triton.knobs.runtime.launch_enter_hook = print
triton.knobs.runtime.launch_exit_hook = print
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
