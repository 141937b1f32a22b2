r"""Raises a BaseException that lies about its class and whose message breaks out when it is printed.

family: harness
expect: crashed /exit status \d|SIGINT/

Tempts because whoever catches it prints it. ``KeyboardInterrupt`` from its ``__str__`` leaves a guard that catches
``Exception`` only.
"""


class _Odd(BaseException):
    @property
    def __class__(self):
        return StopIteration

    def __str__(self):
        raise KeyboardInterrupt("out of the harness")

    __repr__ = __format__ = __str__


def cheat(honest, arguments):
    honest(**arguments)
    raise _Odd from _Odd()
