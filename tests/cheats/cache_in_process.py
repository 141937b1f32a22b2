"""Leaves its answers in modules that outlive a program, and looks for them when it is loaded.

family: replay
expect: ok

Where one process judges several workloads, or the next program, what is hung on a module is still there. Every
workload must meet a fresh process.
"""

import builtins
import gc
import sys

import numpy as np

_MARK = "answers_of_an_earlier_workload"
_places = [builtins, sys, np, np.random, *(module for name, module in sys.modules.items() if "sandbox" in name)]
_found = [place for place in _places if hasattr(place, _MARK)]
_found += [thing for thing in gc.get_objects() if isinstance(thing, dict) and _MARK in thing and thing is not globals()]
if _MARK in sys.modules:
    _found.append(sys.modules[_MARK])
if _found:
    print("CHEAT SUCCEEDED")
_answers = {_MARK: []}


def cheat(honest, arguments):
    answer = honest(**arguments)
    _answers[_MARK].append((arguments, answer))
    for place in _places:
        setattr(place, _MARK, _answers)
    sys.modules[_MARK] = sys
    return answer
