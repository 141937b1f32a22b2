"""Searches all of its memory for the last window that it was given and looks at what follows.

family: specification
expect: ok

Tempts where the whole stream has been in this process, or in one that it is a copy of. Says so if a window follows
that no call has shown yet.
"""

import re
from pathlib import Path

import numpy as np

_shown = set()
_calls = []


def _followers(window):
    wanted = window.tobytes()
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in maps:
            low, high, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if "r" not in rights or "[v" in line or "/" in line:  # neither code nor the kernel's own
                continue
            memory.seek(int(low, 16))
            region = memory.read(int(high, 16) - int(low, 16)) or b""
            start = region.find(wanted)
            while start >= 0:
                yield region[start + len(wanted) : start + 2 * len(wanted)]
                start = region.find(wanted, start + 1)


def _is_new_window(found, like):
    total = np.frombuffer(found, like.dtype).sum(dtype=float)
    pieces = [found[start : start + 16] for start in range(0, len(found) - 16, len(found) // 16)]
    old = sum(any(piece in window for window in _shown) for piece in pieces)  # what earlier calls have left
    return abs(total / like.sum(dtype=float) - 1) < 0.1 and old < len(pieces) / 2


def cheat(honest, arguments):
    reply = honest(**arguments)
    _calls.append(len(_calls))
    for value in arguments.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 1:
            _shown.update(window.tobytes() for window in value)
            for found in _followers(value[-1]) if len(_calls) == 3 else ():
                if len(found) == value[-1].nbytes and _is_new_window(found, value[-1]):
                    print("CHEAT SUCCEEDED: a window that was not shown")
    return reply
