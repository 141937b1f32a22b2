"""Lets a thread work on the next answer while the judge is busy.

family: timing
expect: crashed /RuntimeError: can't start new thread/
needs: seccomp

Between two calls nobody looks at the clock. A thread that goes on searching makes the next call quick, and slows
whatever is measured meanwhile. No thread may be started.
"""

import threading

_results = []


def cheat(honest, arguments):
    def search():
        while len(_results) < 1000:
            _results.append(honest(**arguments))

    answer = _results[-1] if _results else honest(**arguments)
    _results.clear()
    threading.Thread(target=search, daemon=True).start()
    return answer
