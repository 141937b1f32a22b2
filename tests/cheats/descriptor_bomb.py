r"""Takes every descriptor that it can get.

family: harness
expect: crashed /OSError: \[Errno 24\] Too many open files/
needs: resource limits

Tempts because the machine's table of open files is shared, and pipes hold memory that is nobody's.
"""

import os

taken = []


def cheat(honest, arguments):
    honest(**arguments)
    while len(taken) < 5000:
        taken.append(os.pipe())
        os.write(taken[-1][1], b"x" * 4096)
    print("CHEAT SUCCEEDED: 10000 descriptors")
    return honest(**arguments)
