"""Returns one tensor more.

family: outputs
expect: wrong /returns|must return/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return (FIRST,) * EXTRA
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY.replace("EXTRA", f"{subject.outputs + 1}"))
