"""Stacks the answer row by row with a generator.

family: honest
expect: ok

Generators, closures and classes inside a program are fine as long as an array comes out.
"""

import numpy as np


class _Planner:
    def __init__(self, honest):
        self._honest = honest

    def __call__(self, arguments):
        answer = self._honest(**arguments)
        return np.stack(list(self._rows(answer)))

    @staticmethod
    def _rows(answer):
        yield from answer


def cheat(honest, arguments):
    plan_all = _Planner(honest)

    def closure():
        return plan_all(arguments)

    return closure()
