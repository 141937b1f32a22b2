"""Fills scratch with what is hard to remove: deep chains, folders without rights, links to everywhere, pipes.

family: harness
expect: ok

Tempts because whoever cleans up with more rights may follow a link and remove what it points to, or never come to an
end. It hopes for a judge that hangs or breaks afterwards.
"""

import contextlib
import os
import sys
from pathlib import Path

import numpy as np

_built = []


def cheat(honest, arguments):
    reply = honest(**arguments)
    if not _built:
        _built.append(True)
        with contextlib.suppress(OSError):
            os.mkfifo("pipe")
            for number, target in enumerate((str(Path(np.__file__).parent), sys.prefix, "/", "..", "pipe", "link5")):
                Path(f"link{number}").symlink_to(target)
            for name in ("\n", "-rf", "\udcff", "a" * 255):
                Path(name).mkdir()
            for _ in range(1500):
                Path("deeper" * 20).mkdir()
                os.chdir("deeper" * 20)
            Path().chmod(0)
    return reply
