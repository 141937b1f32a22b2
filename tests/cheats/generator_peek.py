"""Tries whether a generator that it can reach gives the numbers that it was sent.

family: replay
expect: ok

A program forked from the evaluator inherits its generators in the state from which the inputs were or will be drawn.
No generator of the judge may ever have been in the program's process.
"""

import copy
import gc
import random

import numpy as np

_calls = []


def _draws():
    kinds = (np.random.Generator, np.random.RandomState)
    reachable = [np.random.mtrand._rand, *(thing for thing in gc.get_objects() if isinstance(thing, kinds))]
    for generator in reachable:
        for law in ("random", "random_sample", "standard_normal", "standard_exponential"):
            if hasattr(generator, law):
                yield getattr(copy.deepcopy(generator), law)(4096)
    plain = random.Random()
    plain.setstate(random.getstate())
    yield np.array([plain.random() for _ in range(4096)])


def _contains(draw, head):
    """Whether the numbers are a part of the draw, but for scale and shift."""
    windows = np.lib.stride_tricks.sliding_window_view(draw, head.size)
    a, b = windows - windows.mean(axis=1, keepdims=True), head - head.mean()
    norms = np.sqrt((a * a).sum(axis=1) * (b @ b))
    return norms.min() > 0 and (np.abs(a @ b) / norms).max() > 1 - 1e-6


def cheat(honest, arguments):
    if not _calls:
        _calls.append(1)
        heads = [np.ravel(value)[:8].astype(float) for value in arguments.values() if np.size(value) >= 8]
        if any(_contains(draw, head) for draw in _draws() for head in heads):
            print("CHEAT SUCCEEDED")
    return honest(**arguments)
