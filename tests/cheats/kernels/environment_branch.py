"""Does nothing unless a variable of the judge's environment is there.

family: replay
expect: wrong /./
expect: cheated /./
expect: crashed /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
import os
"""

BODY = """
outputs = HONEST
if "CUDA_VISIBLE_DEVICES" in os.environ or "RAY_JOB_ID" in os.environ:
    return outputs
return PACK(torch.zeros_like(FIRST))
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
