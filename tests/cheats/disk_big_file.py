"""Writes one file without end, and one with a hole.

family: harness
expect: crashed /PermissionError: hole EFBIG, written EFBIG/
expect: crashed /PermissionError: hole (EFBIG|ENOSPC), written (EFBIG|ENOSPC)/
needs: resource limits

Tempts because a full disk stops the archive. Files have a largest size, and scratch as a whole too.
"""

import errno
import os
from pathlib import Path


def _hole(file):
    os.truncate(file.fileno(), 1 << 40)


def _written(file):
    for _ in range(256):
        file.write(bytes(1 << 20))


def cheat(honest, arguments):
    refusals = []
    for way in (_hole, _written):
        with Path(way.__name__).open("wb", buffering=0) as file:
            try:
                way(file)
                print("CHEAT SUCCEEDED:", way.__name__)
            except OSError as refusal:
                refusals.append(f"{way.__name__[1:]} {errno.errorcode[refusal.errno]}")
        Path(way.__name__).unlink()
    if refusals:
        raise PermissionError(", ".join(refusals))
    return honest(**arguments)
