"""Has the kernel send signals for it, to whom it likes, when a file becomes readable.

family: harness
expect: crashed /PermissionError: refused 5 of 5/
needs: seccomp

The owner of a descriptor gets a signal of its choice, and the owner may be anybody of the same user, the judge too.
"""

import fcntl
import os
import signal

F_SETSIG, F_SETOWN_EX, FIOSETOWN, FIOASYNC = 10, 15, 0x8901, 0x5452


def cheat(honest, arguments):
    read, _ = os.pipe()
    parent = os.getppid().to_bytes(4, "little")
    ways = (
        lambda: fcntl.fcntl(read, F_SETSIG, signal.SIGKILL),
        lambda: fcntl.fcntl(read, fcntl.F_SETOWN, os.getppid()),
        lambda: fcntl.fcntl(read, F_SETOWN_EX, bytes(4) + parent),
        lambda: fcntl.ioctl(read, FIOSETOWN, parent),
        lambda: fcntl.ioctl(read, FIOASYNC, (1).to_bytes(4, "little")),
    )
    refused = 0
    for way in ways:
        try:
            way()
        except PermissionError:
            refused += 1
    if refused < len(ways):
        print("CHEAT SUCCEEDED")
        return honest(**arguments)
    raise PermissionError(f"refused {refused} of {len(ways)}")
