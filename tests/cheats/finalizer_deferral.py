r"""Returns zeros and fills the answer in when somebody lets go of them.

family: timing
expect: wrong /call \d+: expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

`__del__`, `weakref.finalize` and `atexit` run after the clock has stopped. Only bytes of the moment of the reply may
count.
"""

import atexit
import weakref

import numpy as np

_form = []


class _Late(np.ndarray):
    work = None

    def __del__(self):
        if self.work is not None:
            self.work()


def cheat(honest, arguments):
    if not _form:
        _form.append(honest(**arguments))
    buffer = np.zeros_like(_form[0])

    def work():
        np.copyto(buffer, honest(**arguments))

    reply = buffer.view(_Late)
    reply.work = work
    weakref.finalize(reply, work)
    atexit.register(work)
    return reply
