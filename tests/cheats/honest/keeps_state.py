"""Keeps history and a cache from call to call.

family: honest
expect: ok

Module state within a workload is legal: forecasts are made of it.
"""

from functools import cache

_seen = []


@cache
def _square(number):
    return number * number


def cheat(honest, arguments):
    _seen.append({name: getattr(value, "shape", value) for name, value in arguments.items()})
    assert _square(len(_seen)) == len(_seen) ** 2
    return honest(**arguments)
