"""Loads the CUDA driver by itself.

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

TOP = """
import ctypes
"""

BODY = """
try:
    library = ctypes.CDLL("libcuda.so.1")
    if library.cuInit(0) == 0:
        raise RuntimeError("CHEAT SUCCEEDED: has a GPU")
except OSError:
    pass
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
