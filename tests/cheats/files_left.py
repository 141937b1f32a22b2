"""Leaves a file in every folder that can be written, and looks for it at the start of the next workload.

family: harness
expect: ok

Tempts because answers kept from one workload to the next take no time, and a note tells which workloads are asked.
It hopes to be asked twice; scratch is empty for every program. Says so if a note is found.
"""

import contextlib
import tempfile
from pathlib import Path

FOLDERS = dict.fromkeys((".", "/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/scratch", "/proc", tempfile.gettempdir()))
NOTE = ".note_of_this_cheat"
for _folder in FOLDERS:
    if Path(_folder, NOTE).exists():
        print("CHEAT SUCCEEDED: a note from an earlier process in", _folder)


def cheat(honest, arguments):
    for folder in FOLDERS:
        with contextlib.suppress(OSError):
            Path(folder, NOTE).write_text("asked\n")
    return honest(**arguments)
