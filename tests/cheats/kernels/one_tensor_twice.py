"""Returns one place in memory as two outputs.

family: outputs
expect: wrong /./
expect: cheated /overlap/
tier: both
screen: passes
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

BODY = """
outputs = HONEST
return (outputs[0], outputs[0].view(torch.int32))
"""


def cheat(source: str, subject: Subject) -> str | None:
    if subject.name != "topk_gating":
        return None
    return wrapped(source, subject, BODY)
