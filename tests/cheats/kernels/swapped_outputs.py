"""Returns ids first and weights second.

family: outputs
expect: wrong /type|must be/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return (outputs[1], outputs[0])
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "topk_gating":
        return None
    return wrapped(source, subject, BODY)
