r"""Maps memory without end: private by numpy, then shared by the kernel's own call.

family: harness
expect: crashed /OSError: \[Errno 12\] Cannot allocate memory/
expect: out_of_memory /emory/
needs: resource limits

Tempts because mapped memory is not the interpreter's, and shared memory outlives the process that made it.
"""

import mmap

import numpy as np

maps = []


def cheat(honest, arguments):
    try:
        while len(maps) < 64:
            maps.append(np.empty(1 << 28, np.uint8))
    except MemoryError:
        maps.append(None)
    while len(maps) < 1024:
        maps.append(mmap.mmap(-1, 16 << 20))  # shared with children
    print("CHEAT SUCCEEDED: mapped 16 GiB")
    return honest(**arguments)
