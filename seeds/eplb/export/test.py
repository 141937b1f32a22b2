"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import plan

SHAPES = [(26, 64, 80, 8, 1), (58, 256, 288, 32, 4), (4, 16, 16, 8, 2), (3, 12, 24, 6, 1)]


def draw(shape, windows, seed):
    """Token counts (windows, layers, experts) with a few hot experts."""
    rng = np.random.default_rng(seed)
    popularity = np.exp(rng.normal(0, 0.8, shape[:2]))
    return rng.poisson(200 * popularity, (windows, *shape[:2])).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_plans_are_legal_window_after_window(shape):
    layers, experts, num_slots, num_gpus, num_nodes = shape
    loads = draw(shape, 6, seed=1)
    previous = None
    for end in range(1, 7):
        slots = plan(
            history=loads[:end],
            previous=previous,
            num_slots=num_slots,
            num_gpus=num_gpus,
            num_nodes=num_nodes,
        )
        assert isinstance(slots, np.ndarray)
        assert slots.dtype == np.int32
        assert slots.shape == (layers, num_slots)
        for layer in slots:
            assert set(layer.tolist()) == set(range(experts))
        previous = slots


def test_input_is_left_alone():
    loads = draw(SHAPES[0], 3, seed=2)
    kept = loads.copy()
    plan(history=loads, previous=None, num_slots=80, num_gpus=8, num_nodes=1)
    assert np.array_equal(loads, kept)


def test_an_idle_layer_is_planned_too():
    loads = draw(SHAPES[0], 3, seed=3)
    loads[:, 4] = 0
    slots = plan(history=loads, previous=None, num_slots=80, num_gpus=8, num_nodes=1)
    assert set(slots[4].tolist()) == set(range(64))
