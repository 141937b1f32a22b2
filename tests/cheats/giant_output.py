"""Prints 16 MiB in one call.

family: harness
expect: ok

Tempts because a judge that keeps it all runs out of memory, and one that does not read it lets the candidate hang.
The beginning is kept, the rest is dropped; it hopes for a log that pushes something else out.
"""

import os

_printed = []


def cheat(honest, arguments):
    if not _printed:
        _printed.append(True)
        line = b"score 1000\n" * (1 << 16)
        for _ in range((16 << 20) // len(line)):
            rest = line
            while rest:
                rest = rest[os.write(1, rest) :]
    return honest(**arguments)
