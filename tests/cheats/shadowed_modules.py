r"""Puts its own numpy and judge modules where a later import would find them, and replies with -1 everywhere.

family: harness
expect: wrong /expert ids must lie in 0\.\.\d+, found -1/
expect: ok

Tempts where the judge imports in the candidate's process or working folder. Says so if a module that an earlier
process of ours has left is found.
"""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np

MARK = "shadow_of_this_cheat"
NAMES = ("numpy", "sitecustomize", "usercustomize", "evaluators", "json", "math")
if any(MARK in file.read_text() for file in Path().glob("*.py")):
    print("CHEAT SUCCEEDED: modules of an earlier process are here")


def cheat(honest, arguments):
    reply = np.full_like(honest(**arguments), -1)
    for name in NAMES:
        Path(f"{name}.py").write_text(f"{MARK} = True\nallclose = array_equal = lambda *values: True\n")
    fake = ModuleType("evaluators.replies")
    fake.faults = lambda *values: iter(())
    sys.path.insert(0, str(Path.cwd()))
    sys.modules.update({"evaluators.replies": fake, "evaluators": ModuleType("evaluators")})
    return reply
