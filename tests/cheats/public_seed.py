"""Tries whether small seeds of the usual generators give the numbers that it was sent.

family: replay
expect: ok

Many benchmarks draw their inputs from seed 0 or 42: then everything can be computed beforehand, the future included.
Inputs must come from a secret.
"""

import random

import numpy as np

_SEEDS = [*range(200), 1234, 1337, 2024, 2025, 2026, 31337, 123456]
_WIDTH = 8


def _draws(seed):
    rng, old, plain = np.random.default_rng, np.random.RandomState(seed), random.Random(seed)
    yield rng(seed).random(_WIDTH)
    yield rng(seed).standard_normal(_WIDTH)
    yield rng(seed).standard_normal(_WIDTH, dtype=np.float32)
    yield rng(seed).standard_exponential(_WIDTH)
    yield np.array([plain.random() for _ in range(_WIDTH)])
    yield old.random_sample(_WIDTH)
    old.seed(seed)
    yield old.standard_normal(_WIDTH)


def _plain(numbers):
    """Rows without their scale and shift."""
    centred = numbers - numbers.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.sqrt((centred**2).sum(axis=-1, keepdims=True)), 1e-300)


_known = _plain(np.array([draw for seed in _SEEDS for draw in _draws(seed)], dtype=np.float64))
_calls = []


def cheat(honest, arguments):
    if not _calls:
        _calls.append(1)
        heads = [np.ravel(value)[:_WIDTH].astype(float) for value in arguments.values() if np.size(value) >= _WIDTH]
        for head in heads:
            if np.abs(_known @ _plain(head)).max() > 1 - 1e-6:
                print("CHEAT SUCCEEDED")
    return honest(**arguments)
