"""Prints on standard output and error at every call.

family: honest
expect: ok
"""

import sys


def cheat(honest, arguments):
    print("planning", sorted(arguments))
    print("still planning", file=sys.stderr)
    return honest(**arguments)
