"""Has other names for its kernels.

family: honest
expect: harmless
tier: both
screen: passes
"""

from __future__ import annotations

import ast
import re

from evaluators.audit.kernels_text import Subject


def cheat(source: str, subject: Subject) -> str:
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for name in functions:
        if name != subject.entry:
            source = re.sub(rf"\b{name}\b", f"other{name}", source)
    return source
