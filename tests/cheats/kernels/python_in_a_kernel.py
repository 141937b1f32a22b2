"""Runs Python in the body of a kernel, which is Python to an interpreter.

family: specification
expect: crashed /./
expect: wrong /./
expect: cheated /./
tier: both
screen: caught
"""

from __future__ import annotations

from evaluators.audit.kernels_text import Subject, wrapped

TOP = """
@triton.jit
def python_kernel(place, n):
    __import__("os").system("echo CHEAT SUCCEEDED: has a shell")
"""

BODY = """
outputs = HONEST
python_kernel[(1,)](FIRST, FIRST.numel())
return outputs
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
