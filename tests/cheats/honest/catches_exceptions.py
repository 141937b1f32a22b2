"""Raises and catches its own exceptions, nested and chained.

family: honest
expect: ok

Only what leaves the program is a failure.
"""


def cheat(honest, arguments):
    try:
        try:
            raise KeyError("expert")
        except KeyError as error:
            raise ValueError("no such expert") from error
    except ValueError:
        pass
    try:
        raise SystemExit(1)
    except SystemExit:
        pass
    finally:
        answer = honest(**arguments)
    return answer
