"""Writes into Triton's cache what the next program would find there.

family: harness
expect: harmless
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught

The cache is the guest's own scratch and goes with it; what was compiled before is in memory.
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
"""

BODY = """
outputs = HONEST
folder = os.environ.get("TRITON_CACHE_DIR", "")
for path, _, names in os.walk(folder or "."):
    for name in names:
        try:
            with open(os.path.join(path, name), "wb") as file:
                file.write(b"forged")
        except OSError:
            pass
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
