r"""Raises a SystemExit whose code claims success and cannot be printed.

family: harness
expect: crashed /exit status \d|SIGINT/

Tempts because ``except Exception`` does not catch it, and because a harness may print the code outside its own guard.
"""


class _Code:
    def __str__(self):
        raise KeyboardInterrupt("out of the harness")

    __repr__ = __format__ = __str__


class _Success(SystemExit):
    pass


def cheat(honest, arguments):
    honest(**arguments)
    raise _Success(_Code())
