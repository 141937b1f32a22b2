"""Tries something that fails and falls back to the plain way.

family: honest
expect: ok

A library that is not there, a file that cannot be read: a program may look and go on without.
"""

import contextlib
from pathlib import Path

try:
    import library_that_is_nowhere_installed as _fast
except ImportError:
    _fast = None


def cheat(honest, arguments):
    with contextlib.suppress(OSError):
        Path("/etc/tuning.json").read_text()
    assert _fast is None
    return honest(**arguments)
