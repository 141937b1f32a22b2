from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from evaluators.placement.ceiling import kept_bound, objective_bound, peak_bound, transport_bound
from evaluators.placement.measures import ALPHA, BETA, GAMMA, costs, kept, placement_form
from evaluators.placement.periods import count
from evaluators.placement.reference import best_known, chain, make_task
from evaluators.replies import fault_of


def rows(*values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_worked_example_of_moves_and_loads() -> None:
    """Two layers, four experts, one on each of four GPUs in two nodes."""
    placement = rows([0, 1, 2, 3], [0, 1, 2, 3])
    transitions = np.zeros((1, 4, 4))
    transitions[0, 0] = [5, 3, 2, 0]  # 5 stay, 3 cross inside the node, 2 leave it
    load = np.array([[10, 0, 0, 0], [5, 3, 2, 0]])
    found = costs(placement, transitions, load, 4, 2)
    assert found.crossing == pytest.approx(0.5)
    assert found.leaving == pytest.approx(0.2)
    assert found.imbalance == pytest.approx((4.0 + 2.0) / 2 - 1)
    assert found.objective == pytest.approx(-(ALPHA * 0.5 + BETA * 0.2 + GAMMA * 2.0))
    assert costs(placement, transitions, load, 4, 1).leaving == 0.0


def test_moves_of_top_k_are_counted_as_the_expectation_over_pairs_of_visits() -> None:
    """The share from counts is the mean over tokens and over all k^2 pairs of their visits."""
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((50, 3, 6)), axis=2)[:, :, :2].astype(np.uint16)
    placement = rows(*(np.arange(6) // 2)[rng.permuted(np.tile(np.arange(6), (3, 1)), axis=1)].tolist())
    transitions, load = count([ids], 6)
    expected = [
        np.mean(
            [
                placement[layer, a] == placement[layer + 1, b]
                for token in ids
                for a, b in itertools.product(token[layer], token[layer + 1])
            ]
        )
        for layer in range(2)
    ]
    assert kept(placement, transitions[0]) == pytest.approx(expected)
    assert load[0].sum(axis=1).tolist() == [100, 100, 100]
    assert np.array_equal(transitions[0].sum(axis=2), 2 * load[0, :-1].astype(np.int64))


def test_counts_of_long_periods_do_not_overflow() -> None:
    ids = np.zeros((2**16 + 5, 2, 1), dtype=np.uint16)
    transitions, load = count([ids], 4)
    assert transitions[0, 0, 0, 0] == load[0, 0, 0] == 2**16 + 5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[0, 0, 1, 1]], "not list"),
        (np.array([[0, 0, 1, 1]]), "dtype int32"),
        (rows([0, 0, 1]), "shape"),
        (rows([0, 0, 1, 2]), "GPUs must lie in 0..1, found 2"),
        (rows([0, 0, 1, -1]), "found -1"),
        (rows([0, 0, 0, 1]), "GPU 0 holds 3 experts in layer 0, not 2"),
    ],
)
def test_illegal_placements_are_refused_with_the_reason(value: Any, words: str) -> None:
    fault = fault_of(value, placement_form(1, 4, 2))
    assert fault is not None
    assert words in fault.reason


def test_a_legal_placement_has_no_fault_and_a_spoilt_one_has() -> None:
    form = placement_form(2, 4, 2)
    legal = rows([0, 1, 1, 0], [1, 1, 0, 0])
    assert fault_of(legal, form) is None
    fault = fault_of(form.rules[0].spoil(legal, np.random.default_rng(0)), form)
    assert fault is not None
    assert fault.check == form.rules[0].name


def all_rows(experts: int, gpus: int) -> list[tuple[int, ...]]:
    room = experts // gpus
    found = itertools.product(range(gpus), repeat=experts)
    return [row for row in found if all(row.count(gpu) == room for gpu in range(gpus))]


small = st.sampled_from([(4, 2, 1), (4, 2, 2), (4, 4, 2)])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(shape=small, seed=st.integers(0, 2**32 - 1), skew=st.sampled_from([0.3, 1.0, 2.0]))
def test_no_placement_beats_the_ceiling(shape: tuple[int, int, int], seed: int, skew: float) -> None:
    """Exhaustively over all placements of two layers; the reference lies between the best of them and nothing else."""
    experts, gpus, nodes = shape
    rng = np.random.default_rng(seed)
    transitions = rng.poisson(np.exp(rng.normal(2, skew, (1, experts, experts))))
    load = rng.poisson(np.exp(rng.normal(3, skew, (2, experts))))
    choices = all_rows(experts, gpus)
    best = max(
        costs(rows(list(a), list(b)), transitions, load, gpus, nodes).objective
        for a, b in itertools.product(choices, repeat=2)
    )
    reference = costs(best_known(transitions, load, gpus, nodes), transitions, load, gpus, nodes).objective
    assert reference <= best + 1e-9
    assert best <= objective_bound(transitions, load, gpus, nodes) + 1e-9


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), places=st.sampled_from([2, 3, 4, 6]))
def test_the_dual_bound_is_no_less_than_the_transport_program_and_comes_near(seed: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    experts = 12
    table = rng.gamma(0.5, size=(experts, experts))
    table /= table.sum()
    ones = np.kron(np.eye(experts), np.ones(experts))
    turned = np.kron(np.ones(experts), np.eye(experts))
    room = experts // places
    exact = linprog(
        -table.ravel(), A_eq=np.vstack([ones, turned]), b_eq=np.full(2 * experts, room), bounds=(0, 1), method="highs"
    )
    bound = transport_bound(table, places)
    assert -exact.fun - 1e-9 <= bound <= -1.1 * exact.fun


def test_bounds_are_reached_where_experts_pair_up() -> None:
    transitions = np.eye(4)[None] * 7
    assert kept_bound(transitions, 4) == pytest.approx([1.0])
    assert peak_bound(np.array([[5, 1, 1, 1], [2, 2, 2, 2]]), 2) == pytest.approx([1.5, 1.0])
    assert objective_bound(transitions, np.full((2, 4), 7), 2, 1) == pytest.approx(0.0)


def test_the_reference_finds_planted_groups() -> None:
    """Tokens of a group visit only that group's experts, which are shuffled in every layer: nothing need move."""
    rng = np.random.default_rng(3)
    layers, gpus, room, nodes = 5, 8, 4, 2
    groups = np.stack([rng.permutation(np.repeat(np.arange(gpus), room)) for _ in range(layers)])
    transitions = np.stack([10 * (groups[i][:, None] == groups[i + 1]) for i in range(layers - 1)])
    load = np.full((layers, gpus * room), 40)
    found = costs(best_known(transitions, load, gpus, nodes), transitions, load, gpus, nodes)
    assert found.objective > -0.15
    lazy = costs(np.tile(np.arange(32, dtype=np.int32) // 4, (layers, 1)), transitions, load, gpus, nodes)
    assert lazy.objective < -0.5


def test_the_chain_is_the_optimal_assignment_of_each_layer_to_the_one_before() -> None:
    """Two layers, the first in order: the integer program of the second (HiGHS) keeps as much."""
    rng = np.random.default_rng(5)
    experts, gpus = 12, 4
    transitions = rng.poisson(3.0, (1, experts, experts))
    placed = chain(make_task(transitions, np.ones((2, experts)), gpus, 1))
    value = np.array([[transitions[0, g * 3 : g * 3 + 3, e].sum() for g in range(gpus)] for e in range(experts)])
    constraints = [
        LinearConstraint(np.kron(np.eye(experts), np.ones(gpus)), 1, 1),
        LinearConstraint(np.kron(np.ones(experts), np.eye(gpus)), 3, 3),
    ]
    exact = milp(-value.ravel(), integrality=np.ones(value.size), bounds=Bounds(0, 1), constraints=constraints)
    assert value[np.arange(experts), placed[1]].sum() == pytest.approx(-exact.fun)


def test_the_reference_is_near_the_optimum_of_a_small_integer_program() -> None:
    """Three layers, eight experts, two GPUs: moves linearised as in ExFlow, peaks as in MoETuner, solved by HiGHS."""
    rng = np.random.default_rng(1)
    layers, experts = 3, 8
    transitions = rng.poisson(np.exp(rng.normal(1, 1.2, (layers - 1, experts, experts)))).astype(float)
    load = np.stack([*transitions.sum(axis=2), transitions[-1].sum(axis=0)])
    best = exact_two_gpus(transitions, load)
    found = costs(best_known(transitions, load, 2, 1), transitions, load, 2, 1).objective
    assert best - 0.02 <= found <= best + 1e-6


def exact_two_gpus(transitions: np.ndarray, load: np.ndarray) -> float:
    """The best J on two GPUs: x is 1 on the second, z[l, i, j] >= |x_i - x_j|, p[l] >= both loads."""
    layers, experts = load.shape
    share = transitions / transitions.sum(axis=(1, 2), keepdims=True) / (layers - 1)
    weight = 2 * load / load.sum(axis=1, keepdims=True)
    pairs = [(m, i, j) for m in range(layers - 1) for i in range(experts) for j in range(experts)]
    n = layers * experts
    size = n + len(pairs) + layers
    lines, low, high = [], [], []

    def add(entries: dict[int, float], least: float, most: float) -> None:
        line = np.zeros(size)
        for index, factor in entries.items():
            line[index] += factor
        lines.append(line)
        low.append(least)
        high.append(most)

    for z, (m, i, j) in enumerate(pairs):
        a, b = m * experts + i, (m + 1) * experts + j
        add({n + z: 1, a: -1, b: 1}, 0, np.inf)
        add({n + z: 1, a: 1, b: -1}, 0, np.inf)
    for m in range(layers):
        of = range(m * experts, (m + 1) * experts)
        peak = n + len(pairs) + m
        add(dict.fromkeys(of, 1.0), experts / 2, experts / 2)
        add({peak: 1, **{index: -weight[m, index - m * experts] for index in of}}, 0, np.inf)
        add({peak: 1, **{index: weight[m, index - m * experts] for index in of}}, 2, np.inf)
    prices = np.concatenate([np.zeros(n), ALPHA * share.ravel(), np.full(layers, GAMMA / layers)])
    result = milp(
        prices,
        integrality=np.concatenate([np.ones(n), np.zeros(size - n)]),
        bounds=Bounds(0, np.concatenate([np.ones(n + len(pairs)), np.full(layers, 2.0)])),
        constraints=LinearConstraint(np.array(lines), np.array(low), np.array(high)),
    )
    assert result.success
    return -(float(result.fun) - GAMMA)
