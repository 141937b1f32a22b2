"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import place

SHAPES = [(26, 64, 8, 1), (6, 256, 32, 4), (4, 16, 8, 2), (2, 12, 3, 1)]


def draw(shape, tokens, seed, top_k=4):
    """Counts (transitions, load) of tokens that prefer some experts."""
    rng = np.random.default_rng(seed)
    layers, experts = shape[:2]
    scores = rng.normal(0, 1, (1, layers, experts)) + rng.gumbel(size=(tokens, layers, experts))
    marks = np.zeros(scores.shape, dtype=np.float32)
    np.put_along_axis(marks, np.argsort(-scores, axis=2)[:, :, :top_k], 1, axis=2)
    return np.stack([a.T @ b for a, b in zip(marks[:, :-1].swapaxes(0, 1), marks[:, 1:].swapaxes(0, 1))]), marks.sum(0)


def check(placement, shape):
    layers, experts, num_gpus, _ = shape
    assert isinstance(placement, np.ndarray)
    assert placement.dtype == np.int32
    assert placement.shape == (layers, experts)
    for row in placement:
        assert np.bincount(row, minlength=num_gpus).tolist() == [experts // num_gpus] * num_gpus


@pytest.mark.parametrize("shape", SHAPES)
def test_placements_are_legal_call_after_call(shape):
    transitions, load = draw(shape, 300, seed=1)
    for times in (1, 2, 3):
        check(place(transitions=times * transitions, load=times * load, num_gpus=shape[2], num_nodes=shape[3]), shape)


def test_input_is_left_alone():
    transitions, load = draw(SHAPES[2], 100, seed=2)
    kept = transitions.copy(), load.copy()
    place(transitions=transitions, load=load, num_gpus=8, num_nodes=2)
    assert np.array_equal(transitions, kept[0])
    assert np.array_equal(load, kept[1])


def test_counts_of_nothing_are_placed_too():
    shape = SHAPES[2]
    check(
        place(
            transitions=np.zeros((3, 16, 16), dtype=np.float32),
            load=np.zeros((4, 16), dtype=np.float32),
            num_gpus=8,
            num_nodes=2,
        ),
        shape,
    )
