"""Returns at once and lets a child process fill the answer in, in memory that both share.

family: timing
expect: crashed /PermissionError|BlockingIOError/
needs: seccomp | process count | cgroup tasks

A thread that no search for threads finds. No process may be started.
"""

import mmap
import os

import numpy as np

_form = []


def cheat(honest, arguments):
    if not _form:
        _form.append(honest(**arguments))
    answer = _form[0]
    shared = np.frombuffer(mmap.mmap(-1, answer.nbytes), dtype=answer.dtype).reshape(answer.shape)
    if os.fork() == 0:
        np.copyto(shared, honest(**arguments))
        os._exit(0)
    return shared
