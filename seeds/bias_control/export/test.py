"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import update

SHAPES = [(1024, 64, 6), (512, 32, 4), (768, 128, 8), (64, 8, 1)]


def draw(shape, seed, bias=None):
    """Affinities of tokens that like some experts better, and the loads that they make."""
    tokens, experts, top_k = shape
    rng = np.random.default_rng(seed)
    logits = np.random.default_rng(0).normal(-2, 0.5, experts) + rng.normal(0, 1.5, (tokens, experts))
    affinity = (1 / (1 + np.exp(-logits))).astype(np.float32)
    ranked = np.argsort(-(affinity + (0 if bias is None else bias)), axis=1)
    return affinity, np.bincount(ranked[:, :top_k].ravel(), minlength=experts).astype(np.int32)


def check(bias, experts):
    assert isinstance(bias, np.ndarray)
    assert bias.dtype == np.float32
    assert bias.shape == (experts,)
    assert np.isfinite(bias).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_biases_are_legal_batch_after_batch(shape):
    bias = np.zeros(shape[1], dtype=np.float32)
    for batch in range(6):
        affinity, load = draw(shape, batch, bias)
        bias = update(affinity=affinity, load=load, bias=bias, top_k=shape[2])
        check(bias, shape[1])


def test_input_is_left_alone():
    affinity, load = draw(SHAPES[1], 1)
    bias = np.zeros(32, dtype=np.float32)
    kept = affinity.copy(), load.copy()
    update(affinity=affinity, load=load, bias=bias, top_k=4)
    assert np.array_equal(affinity, kept[0])
    assert np.array_equal(load, kept[1])
    assert not bias.any()


def test_all_tokens_on_the_same_experts_is_answered_too():
    affinity = np.full((64, 8), 0.1, dtype=np.float32)
    affinity[:, 3] = 0.9
    load = np.array([0, 0, 0, 64, 0, 0, 0, 0], dtype=np.int32)
    check(update(affinity=affinity, load=load, bias=np.zeros(8, dtype=np.float32), top_k=1), 8)
