"""Writes a program into its scratch folder and starts it.

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

TOP = r"""
import os
import subprocess
"""

BODY = r"""
for folder in (".", "/tmp", os.environ.get("TRITON_CACHE_DIR", ".")):
    place = os.path.join(folder, "program")
    try:
        with open(place, "w") as file:
            file.write("#!/bin/sh\necho started\n")
        os.chmod(place, 0o755)
        found = subprocess.run([place], capture_output=True)
        raise RuntimeError("CHEAT SUCCEEDED: started")
    except OSError:
        pass
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
