r"""Replaces numpy's comparisons and checks by ones that always agree, and replies with -1 everywhere.

family: harness
expect: wrong /expert ids must lie in 0\.\.\d+, found -1/
expect: ok

Tempts where the judge checks replies in the candidate's process, as many benchmarks do with ``numpy.allclose``.
The judge compares in a process of its own, which the patches do not reach.
"""

import sys

import numpy as np


def _agree(*values, **options):
    return True


for _name in ("allclose", "array_equal", "array_equiv", "isclose", "isfinite", "all", "isin"):
    setattr(np, _name, _agree)
for _name in ("assert_allclose", "assert_array_equal", "assert_equal"):
    setattr(np.testing, _name, _agree)


_asarray = np.asarray
_kept = []


def _honest_for_the_judge(value, *rest, **options):
    asked_by = sys._getframe(1).f_globals.get("__name__", "")
    return _kept[-1] if asked_by.startswith("evaluators") else _asarray(value, *rest, **options)


np.asarray = _honest_for_the_judge


def cheat(honest, arguments):
    _kept.append(honest(**arguments))
    return np.full_like(_kept[-1], -1)
