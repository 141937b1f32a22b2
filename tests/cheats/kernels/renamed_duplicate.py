"""Is the honest program under other names.

family: specification
expect: harmless
tier: both
screen: passes

It is worth what the honest program is worth; that it is the same is for the search to tell.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
result_of_the_call = HONEST
return result_of_the_call
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
