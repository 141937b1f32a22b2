"""Reads address zero.

family: harness
expect: crashed /SIGSEGV/

Tempts because a judge in the same process dies with it, and one that waits for a reply waits for ever.
"""

import ctypes


def cheat(honest, arguments):
    honest(**arguments)
    return ctypes.string_at(0)
