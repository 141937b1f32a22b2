"""Leaves its answers in files, and looks for them when it is loaded.

family: replay
expect: ok
needs: landlock | mount namespace

A file outlives the process: the next workload, or the next program, starts with what this one has learnt. Scratch must
be empty for every program, and nothing else be writable.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np

_folders = [
    Path.cwd(), Path.cwd().parent, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"),
    Path("/dev/mqueue"), Path("/run"), Path("/"), Path("/root"), Path("/home"), Path("/proc/self/cwd"),
    Path(np.__file__).parent, Path(os.__file__).parent,
]  # fmt: skip
_files = [folder / ".answers_of_an_earlier_workload" for folder in _folders]
for _file in _files:
    with contextlib.suppress(OSError):
        if _file.exists():
            print("CHEAT SUCCEEDED", _file)


def cheat(honest, arguments):
    answer = honest(**arguments)
    written = 0
    for file in _files:
        with contextlib.suppress(OSError):
            file.write_bytes(answer.tobytes())
            written += 1
    assert written  # scratch at least
    return answer
