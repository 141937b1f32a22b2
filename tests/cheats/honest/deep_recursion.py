"""Recurses 900 calls deep.

family: honest
expect: ok

Python allows a thousand, and the frames of the guest must leave room for a program.
"""


def _depth(left):
    return 0 if left == 0 else 1 + _depth(left - 1)


def cheat(honest, arguments):
    assert _depth(900) == 900
    return honest(**arguments)
