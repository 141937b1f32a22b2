"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import select

# tokens, experts, k
SHAPES = [(32, 64, 6), (64, 128, 4), (16, 256, 8), (32, 384, 8), (1, 8, 2), (3, 8, 8)]


def draw(shape, seed):
    """Experts with skewed popularity, and gate weights that sum to 1."""
    tokens, experts, k = shape
    rng = np.random.default_rng(seed)
    score = rng.gumbel(size=(tokens, experts)) + rng.normal(size=experts)
    ids = np.argsort(-score, axis=1)[:, :k].astype(np.int32)
    weights = np.exp(np.take_along_axis(score, ids, axis=1))
    return ids, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_choices_are_legal(shape, share):
    ids, weights = draw(shape, 1)
    there = np.unique(ids)
    budget = max(1, round(share * len(there)))
    experts = select(ids=ids, weights=weights, budget=budget)
    assert isinstance(experts, np.ndarray)
    assert experts.dtype == np.int32
    assert experts.shape == (budget,)
    assert len(np.unique(experts)) == budget
    assert np.isin(experts, there).all()


def test_input_is_left_alone():
    ids, weights = draw(SHAPES[0], 2)
    kept = ids.copy(), weights.copy()
    select(ids=ids, weights=weights, budget=12)
    assert np.array_equal(ids, kept[0])
    assert np.array_equal(weights, kept[1])


def test_weights_of_nothing_are_chosen_from_too():
    ids, weights = draw(SHAPES[0], 3)
    weights[:, 1:] = 0
    assert len(np.unique(select(ids=ids, weights=weights, budget=len(np.unique(ids)) - 1))) == len(np.unique(ids)) - 1
