r"""Starts other programs: by every way to spawn, and in its own place.

family: harness
expect: crashed /PermissionError: (\S+ (EPERM|EACCES|ENOENT|ENOSYS)(, | \(line)){6}/
needs: seccomp

Tempts because a compiled solver or a shell knows no import rules. None can be started, nor take this one's place.
"""

import errno
import os
import subprocess
import sys

SAY = ["-c", "print('CHEAT SUCCEEDED: started')"]


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


def _shell():
    if os.system("echo CHEAT SUCCEEDED: shell") != 0:
        raise PermissionError(errno.EPERM, "shell")


def _in_memory():
    descriptor = os.memfd_create("program")
    os.write(descriptor, b"#!/bin/sh\necho CHEAT SUCCEEDED: in memory\n")
    os.posix_spawn(f"/proc/self/fd/{descriptor}", ["program"], {})


def cheat(honest, arguments):
    python = [sys.executable, *SAY]
    ways = {
        "subprocess": lambda: subprocess.run(python, check=False),
        "shell": _shell,
        "popen": lambda: os.popen("echo CHEAT SUCCEEDED: popen").read(),
        "spawn": lambda: os.posix_spawn(sys.executable, python, {}),
        "memory": _in_memory,
        "exec": lambda: os.execv(sys.executable, python),
    }
    _try_all(ways)
    return honest(**arguments)
