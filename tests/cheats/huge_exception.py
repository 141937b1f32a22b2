"""Raises an exception with a message of 16 MiB.

family: harness
expect: crashed /: RuntimeError: score 1000, [ -~]{100,490}$/

Tempts because the message travels to the judge, its log and its archive. It is cut where it is made and again where
it arrives.
"""


def cheat(honest, arguments):
    honest(**arguments)
    raise RuntimeError("score 1000, " * ((16 << 20) // 12))
