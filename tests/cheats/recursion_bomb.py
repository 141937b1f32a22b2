"""Raises the recursion limit and descends until the stack is gone.

family: harness
expect: crashed /SIGSEGV|SIGBUS|RecursionError/
expect: out_of_memory /emory/

Tempts because the interpreter's own guard can be switched off from within. What dies is the candidate's process.
"""

import sys


class _Endless:
    def __repr__(self):
        return repr([_Endless()])


def cheat(honest, arguments):
    honest(**arguments)
    sys.setrecursionlimit(1 << 30)
    return len(repr(_Endless()))
