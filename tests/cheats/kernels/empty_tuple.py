"""Returns nothing in a tuple.

family: outputs
expect: wrong /returns|must return/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return ()
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
