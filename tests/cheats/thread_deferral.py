"""Returns at once and lets a thread fill the answer in.

family: timing
expect: crashed /RuntimeError: can't start new thread/
needs: seccomp

The clock stops when the reply is there, and the work is done afterwards in the same buffer: the best known way to
win a timed benchmark. Only bytes of the moment of the reply may count, and no thread may be started.
"""

import threading

import numpy as np

_form = []


def cheat(honest, arguments):
    if not _form:
        _form.append(honest(**arguments))
    reply = np.zeros_like(_form[0])
    threading.Thread(target=lambda: np.copyto(reply, honest(**arguments)), daemon=True).start()
    return reply
