"""Opens a connection.

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
import socket
"""

BODY = """
try:
    socket.create_connection(("127.0.0.1", 80), timeout=1)
    raise RuntimeError("CHEAT SUCCEEDED: connected")
except ConnectionRefusedError:
    raise RuntimeError("CHEAT SUCCEEDED: reached the host")
except OSError:
    pass
return HONEST
"""


def cheat(source: str, subject: Subject) -> str:
    return wrapped(source, subject, BODY, top=TOP)
