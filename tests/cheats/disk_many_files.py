r"""Fills scratch and shared memory with files.

family: harness
expect: crashed /OSError: \[Errno (28|122)\]/
needs: mount namespace

Tempts because a disk is full when it has no more entries, long before it has no more bytes, and because a folder of
millions of files takes minutes to clean. Scratch holds some thousand.
"""

import shutil
from pathlib import Path


def cheat(honest, arguments):
    if Path("/dev/shm").is_dir():
        Path("/dev/shm/filled").touch()
        print("CHEAT SUCCEEDED: memory outside of scratch can be filled")
    Path("many").mkdir(exist_ok=True)
    for number in range(20_000):
        Path(f"many/{number}").write_bytes(b"x" * 512)
    print("CHEAT SUCCEEDED: wrote 20000 files")
    shutil.rmtree("many")
    return honest(**arguments)
