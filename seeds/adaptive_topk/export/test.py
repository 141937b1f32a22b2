"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import select

# tokens, experts, top_k, GPUs, budget
SHAPES = [(16, 64, 6, 8, 2.4), (8, 64, 6, 16, 4.2), (32, 128, 8, 4, 4.0), (4, 32, 4, 4, 1.4), (1, 8, 2, 2, 1.0)]


def play(shape, seed, steps=6, layers=2):
    """A stream of random steps within its budget; every call is checked."""
    tokens, experts, top_k, gpus, budget = shape
    rng = np.random.default_rng(seed)
    places = steps * layers * tokens
    visits = round(budget * places)
    for call in range(steps * layers):
        scores = (1 / (1 + np.exp(3 - (1 + call % layers) * rng.normal(size=(tokens, experts))))).astype(np.float32)
        kept = scores.copy()
        most = min(max(tokens, int(1.4 * budget * tokens)), visits - (places - tokens))
        mask = select(
            scores=scores,
            layer=call % layers,
            num_layers=layers,
            top_k=top_k,
            num_gpus=gpus,
            budget=budget,
            visits_left=visits,
            places_left=places,
            most=most,
        )
        assert isinstance(mask, np.ndarray)
        assert mask.dtype == np.int8
        assert np.isin(mask, (0, 1)).all()
        assert mask.shape == scores.shape
        assert (mask.sum(axis=1) >= 1).all()
        assert (mask.sum(axis=1) <= top_k).all()
        assert mask.sum() <= most
        assert np.array_equal(scores, kept)
        visits, places = visits - int(mask.sum()), places - tokens


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_masks_are_legal(shape, seed):
    play(shape, seed)
