"""Calls its entry through a helper function.

family: honest
expect: harmless
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
def called(PARAMETERS):
    return HONEST
"""

BODY = """
return called(PARAMETERS)
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
