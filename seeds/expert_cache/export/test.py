"""Checks MODULE's interface on random routes. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import value

# The function keeps statistics of one model in its module: a process serves one shape.
LAYERS, EXPERTS, TOP_K = 12, 64, 6


def visits(steps, seed):
    """Calls of a prompt of eight tokens, then of decoded tokens, with a fixed cache."""
    rng = np.random.default_rng(seed)
    state = np.zeros((LAYERS, EXPERTS), dtype=np.int8)
    state[rng.random(state.shape) < 0.3] = 1
    state[3, 5] = 2
    for step in range(steps):
        tokens = 1 if step else 8
        for layer in range(LAYERS):
            picks = np.argsort(rng.random((2, tokens, EXPERTS)), axis=2)[:, :, :TOP_K].astype(np.int32)
            yield {
                "step": step,
                "layer": layer,
                "ids": picks[0],
                "weights": np.full((tokens, TOP_K), 1 / TOP_K, dtype=np.float32),
                "guess": picks[1] if layer < LAYERS - 1 else np.full_like(picks[1], -1),
                "state": state,
                "load_seconds": np.full(LAYERS, 2e-4, dtype=np.float32),
                "compute_seconds": 1e-4 * tokens,
            }


@pytest.mark.parametrize("seed", [0, 1])
def test_every_expert_has_a_finite_value(seed):
    for call in visits(6, seed):
        values = value(**call)
        assert isinstance(values, np.ndarray)
        assert values.dtype == np.float32
        assert values.shape == (LAYERS, EXPERTS)
        assert np.isfinite(values).all()


def test_input_is_left_alone():
    for call in visits(2, 2):
        kept = {name: np.copy(given) for name, given in call.items()}
        value(**call)
        assert all(np.array_equal(kept[name], call[name]) for name in call)
