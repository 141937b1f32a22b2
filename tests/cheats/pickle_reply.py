"""Replies with an object that runs a command when it is unpickled.

family: harness
expect: crashed /a _Payload cannot leave the sandbox/

Tempts where replies are pickled, as with ``multiprocessing``. Only arrays and JSON data leave the sandbox.
"""


class _Payload:
    def __reduce__(self):
        return eval, ("print('a pickle ran here')",)


def cheat(honest, arguments):
    honest(**arguments)
    return _Payload()
