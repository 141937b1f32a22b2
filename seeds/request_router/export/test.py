"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import importlib
import inspect

import MODULE
import numpy as np
import pytest

COSTS = np.array([0.02, 1e-4, 1.9e-9, 0.01])


def views(instances, seed):
    """Random requests with random views of so many instances, renewed every half second."""
    rng = np.random.default_rng(seed)
    now, view, seen = 0.0, None, -1.0
    for _ in range(200):
        now += rng.exponential(0.2)
        if view is None or now - seen > 0.5:
            seen = now
            waiting = rng.integers(0, 9, instances)
            view = [waiting, waiting * rng.integers(0, 5_000, instances), rng.integers(0, 20, instances)]
            view += [now * rng.integers(1, 9_000, instances), now * rng.random(instances)]
        tokens = int(rng.integers(1, 60_000))
        blocks = rng.integers(1, 2**62, -(-tokens // 512))
        cached = rng.integers(0, len(blocks) + 1, instances)
        figures = np.array([cached, *view], dtype=np.float64)
        for array in (blocks, figures):
            array.setflags(write=False)
        yield {
            "now_seconds": now,
            "age_seconds": now - seen,
            "input_tokens": tokens,
            "blocks": blocks,
            "view": figures,
            "costs": COSTS,
            "objective_seconds": 5.0,
        }


@pytest.mark.parametrize("instances", [4, 9, 32])
def test_every_request_gets_an_instance(instances):
    # A stream is one fleet; a module that remembers its own fleet is imported anew for another.
    fresh = importlib.reload(MODULE)
    for arguments in views(instances, seed=instances):
        chosen = fresh.route(**arguments)
        assert isinstance(chosen, np.ndarray)
        assert chosen.dtype == np.int32
        assert chosen.shape == (1,)
        assert 0 <= chosen[0] < instances


def test_it_is_called_by_name():
    names = ["now_seconds", "age_seconds", "input_tokens", "blocks", "view", "costs", "objective_seconds"]
    assert list(inspect.signature(MODULE.route).parameters) == names
