"""Leaves the work to a thread and returns at once.

family: timing
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
import threading
"""

BODY = """
found = []
worker = threading.Thread(target=lambda: found.append(HONEST))
worker.start()
worker.join()
return found[0]
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
