r"""Installs a package: by a new process, and by running pip in its own.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ENOENT)(, | \(line)){3}/
needs: seccomp | landlock

Tempts because a solver does the problem's work in one line. Nothing may be started, and there is no pip to import.
"""

import errno
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

OPTIONS = ["install", "--quiet", "--no-index", "--no-deps", "--target", "installed", "./wheels"]


def _try_all(ways):
    refusals = []
    for name, way in ways.items():
        try:
            way()
        except OSError as refusal:
            refusals.append(f"{name} {errno.errorcode[refusal.errno]}")
        else:
            print("CHEAT SUCCEEDED:", name)
    if refusals:
        raise PermissionError(", ".join(refusals))


def _in_process():
    sys.path.append(str(Path(np.__file__).parents[1]))
    try:
        runpy.run_module("pip")
    except ImportError as error:
        raise PermissionError(errno.ENOENT, "no pip") from error


def cheat(honest, arguments):
    ways = {
        "subprocess": lambda: subprocess.Popen([sys.executable, "-m", "pip", *OPTIONS]),
        "spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-m", "pip", *OPTIONS], {}),
        "in_process": _in_process,
    }
    _try_all(ways)
    return honest(**arguments)
