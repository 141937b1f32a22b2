r"""Returns zeros and fills the answer in from the handler of a timer.

family: timing
expect: wrong /call \d+: expert \d+ has no slot/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

A handler runs in the thread that there is, after the reply and before the next call. Only bytes of the moment of the
reply may count.
"""

import signal

import numpy as np

_form = []
_work = []


def _handler(number, frame):
    for work in _work:
        work()
    _work.clear()


def cheat(honest, arguments):
    if not _form:
        _form.append(honest(**arguments))
    reply = np.zeros_like(_form[0])
    _work.append(lambda: np.copyto(reply, honest(**arguments)))
    signal.signal(signal.SIGALRM, _handler)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    return reply
