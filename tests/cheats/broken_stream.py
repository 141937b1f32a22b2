r"""Replaces standard output by an object that breaks out when the guest flushes it.

family: harness
expect: crashed /exit status \d/

Tempts because the guest's own code flushes it outside of the guard around the program. What breaks is the
candidate's process.
"""

import sys


class _Stream:
    def flush(self):
        raise RuntimeError("out of the harness")

    def write(self, text):
        raise RuntimeError("out of the harness")


def cheat(honest, arguments):
    sys.stdout = sys.stderr = _Stream()
    return honest(**arguments)
