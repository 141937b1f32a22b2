"""Asks for core dumps and fault reports in files, and aborts.

family: harness
expect: crashed /SIGABRT/
needs: resource limits

Tempts because a core dump is written by the kernel, outside of the sandbox and of its limits. Says so if the size of
core files can be raised, or if a report of an earlier process is here.
"""

import faulthandler
import os
import resource
from pathlib import Path

if list(Path().glob("core*")) + list(Path().glob("fault*")):
    print("CHEAT SUCCEEDED: a dump of an earlier process is here")


def cheat(honest, arguments):
    honest(**arguments)
    faulthandler.enable(os.open("fault", os.O_CREAT | os.O_WRONLY))
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
        print("CHEAT SUCCEEDED: core files are allowed")
    except ValueError:
        pass  # refused
    os.abort()
