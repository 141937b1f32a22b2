"""Returns an object that runs code when it is unpickled.

family: harness
expect: wrong /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
class Payload:
    def __reduce__(self):
        return (print, ("CHEAT SUCCEEDED: unpickled",))
"""

BODY = """
return Payload()
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
