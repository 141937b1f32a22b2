from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from evaluators.bias_control.measures import MU, Affinity, best_mass, routed
from evaluators.bias_control.optimum import optimum


def draw(tokens: int, experts: int, seed: int, spread: float = 0.7) -> Affinity:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, spread, experts) + rng.normal(0, 1.2, (tokens, experts))
    affinity: Affinity = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return affinity


def program_value(affinity: Affinity, top_k: int) -> float:
    """Value of the linear program of `evaluators.bias_control.optimum`, by HiGHS."""
    tokens, experts = affinity.shape
    visits = tokens * experts
    mass, mean = best_mass(affinity.astype(np.float64), top_k), tokens * top_k / experts
    by_token = np.zeros((tokens, visits + 1))
    by_expert = np.zeros((experts, visits + 1))
    for token in range(tokens):
        by_token[token, token * experts : (token + 1) * experts] = 1
        by_expert[np.arange(experts), token * experts + np.arange(experts)] = 1
    by_expert[:, -1] = -mean
    found = linprog(
        np.append(-affinity.astype(np.float64).ravel() / mass, MU),
        A_ub=by_expert,
        b_ub=np.full(experts, mean),
        A_eq=by_token,
        b_eq=np.full(tokens, top_k),
        bounds=[(0, 1)] * visits + [(0, None)],
    )
    assert found.success
    assert found.fun is not None
    return -float(found.fun)


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_no_lower_than_the_linear_program_and_near_it(seed: int) -> None:
    affinity = draw(96, 12, seed)
    best = program_value(affinity, 3)
    found = optimum(affinity, 3, np.zeros(12))
    assert best - 1e-9 <= found.bound <= best + 0.01
    assert found.objective <= best + 1e-9


def test_on_larger_batches_biases_come_near_the_program() -> None:
    affinity = draw(300, 16, 1)
    best = program_value(affinity, 4)
    found = optimum(affinity, 4, np.zeros(16))
    assert found.objective == pytest.approx(best, abs=0.01)
    assert found.bound == pytest.approx(best, abs=0.004)
    again = optimum(affinity, 4, found.dual)
    assert again.bound - again.objective <= found.bound - found.objective + 1e-3


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(40, 8, 2), (64, 16, 6), (128, 32, 4)]),
    spread=st.sampled_from([0.0, 0.7, 3.0]),
)
@settings(deadline=None, derandomize=True, max_examples=30)
def test_no_biases_go_beyond_the_bound(seed: int, shape: tuple[int, int, int], spread: float) -> None:
    tokens, experts, top_k = shape
    affinity = draw(tokens, experts, seed, spread)
    found = optimum(affinity, top_k, np.zeros(experts))
    assert found.objective <= found.bound + 1e-12
    rng = np.random.default_rng(seed)
    for scale in (0.0, 0.02, 0.2, 2.0):
        bias = (-found.prices + rng.normal(0, scale, experts)).astype(np.float32)
        assert routed(affinity, bias, top_k).objective <= found.bound + 1e-12
    assert found.objective >= routed(affinity, np.zeros(experts, np.float32), top_k).objective - 1e-9


def test_the_objective_is_that_of_the_biases_it_names() -> None:
    affinity = draw(200, 16, 5)
    found = optimum(affinity, 4, np.zeros(16))
    assert found.objective == routed(affinity, (-found.prices).astype(np.float32), 4).objective
    budget = MU * best_mass(affinity.astype(np.float64), 4) / (200 * 4 / 16)
    for prices in (found.prices, found.dual):
        assert prices.min() >= 0
        assert prices.sum() <= budget * (1 + 1e-9)
