"""Has comments, blank lines and doc strings everywhere.

family: honest
expect: harmless
tier: both
screen: passes
"""

from __future__ import annotations

import re

from evaluators.audit.kernels_text import Subject


def cheat(source: str, subject: Subject) -> str:
    del subject
    return re.sub(r"^(    \w+ = .*)$", r"    # The next line computes a value.\n\n\1", source, flags=re.MULTILINE)
