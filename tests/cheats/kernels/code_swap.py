"""Swaps the code of its own kernel once it has been seen.

family: harness
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
outputs = HONEST
for value in list(globals().values()):
    if hasattr(value, "_unsafe_update_src"):
        value._unsafe_update_src(value.src.replace("tl.store", "tl.load"))
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY)
