from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.eplb.measures import balance, balance_ceiling, copies_of, gpu_loads, moved, plan_form
from evaluators.eplb.oracle import keep_where_it_pays, relabel
from evaluators.replies import fault_of


def plan_of(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def test_worked_example_of_loads_and_balance() -> None:
    """Experts 0..2 with loads 60, 30, 30 on 2 GPUs of 2 slots; expert 0 is split over both GPUs."""
    plan = plan_of([0, 1, 0, 2])
    load = np.array([[60.0, 30.0, 30.0]])
    assert copies_of(plan, 3).tolist() == [[2, 1, 1]]
    assert gpu_loads(plan, load, 2).tolist() == [[60.0, 60.0]]
    assert balance(plan, load, 2).tolist() == [1.0]
    assert balance(plan_of([0, 0, 1, 2]), load, 2).tolist() == [1.0]
    assert balance(plan_of([0, 1, 2, 2]), load, 2).tolist() == [pytest.approx(60 / 90)]


def test_a_layer_without_load_is_balanced() -> None:
    assert balance(plan_of([0, 1]), np.zeros((1, 2)), 2).tolist() == [1.0]


def test_moving_counts_what_a_gpu_did_not_hold() -> None:
    before = plan_of([0, 1, 2, 3])
    assert moved(plan_of([1, 0, 3, 2]), before, 4, 2).tolist() == [0.0]
    assert moved(plan_of([2, 3, 0, 1]), before, 4, 2).tolist() == [1.0]
    assert moved(plan_of([0, 2, 1, 3]), before, 4, 2).tolist() == [0.5]


def test_a_second_copy_on_the_same_gpu_counts() -> None:
    assert moved(plan_of([0, 0, 2, 1]), plan_of([0, 1, 2, 0]), 3, 2).tolist() == [0.5]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[0, 1, 2, 0]], "not list"),
        (np.zeros((1, 4), dtype=np.int64), "dtype int32"),
        (np.zeros((1, 4), dtype=np.float32), "dtype int32"),
        (np.zeros((4,), dtype=np.int32), "shape"),
        (np.zeros((2, 4), dtype=np.int32), "shape"),
        (plan_of([0, 1, 2, 3]), "expert ids must lie in 0..2, found 3"),
        (plan_of([0, 1, 2, -1]), "found -1"),
        (plan_of([0, 1, 1, 0]), "expert 2 has no slot in layer 0"),
    ],
)
def test_illegal_plans_are_refused_with_the_reason(value: object, words: str) -> None:
    fault = fault_of(value, plan_form(1, 3, 4))
    assert fault is not None
    assert words in fault.reason


def test_a_legal_plan_has_no_fault() -> None:
    assert fault_of(plan_of([0, 1, 2, 0]), plan_form(1, 3, 4)) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.sampled_from([(4, 2), (6, 2), (6, 3)]))
def test_no_plan_beats_the_ceiling(weights: list[int], shape: tuple[int, int]) -> None:
    """Exhaustively: the best of all legal plans stays at or below the proven bound."""
    slots, gpus = shape
    load = np.array([weights], dtype=np.float64)
    plans = [p for p in itertools.product(range(3), repeat=slots) if len(set(p)) == 3]
    best = max(float(balance(plan_of(list(p)), load, gpus)[0]) for p in plans)
    assert best <= float(balance_ceiling(load, slots, gpus)[0]) + 1e-12


def test_ceiling_is_reached_where_a_perfect_plan_exists() -> None:
    load = np.array([[60.0, 30.0, 30.0]])
    assert balance_ceiling(load, 4, 2).tolist() == [1.0]
    assert balance_ceiling(np.array([[90.0, 10.0, 20.0]]), 3, 3).tolist() == [pytest.approx(40 / 90)]


def test_ceiling_takes_whole_streams() -> None:
    assert balance_ceiling(np.ones((5, 2, 8), dtype=np.float32), 8, 4).shape == (5, 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_relabelling_keeps_the_balance_and_moves_no_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    load = rng.random((3, 8))
    fresh = np.stack([rng.permutation(np.r_[np.arange(8), rng.integers(8, size=4)]) for _ in range(3)])
    old = np.stack([rng.permutation(np.r_[np.arange(8), rng.integers(8, size=4)]) for _ in range(3)])
    fresh, old = fresh.astype(np.int32), old.astype(np.int32)
    placed = relabel(fresh, old, 8, 4)
    assert np.allclose(balance(placed, load, 4), balance(fresh, load, 4))
    assert (moved(placed, old, 8, 4) <= moved(fresh, old, 8, 4) + 1 / 12 + 1e-12).all()


def test_the_oracle_keeps_a_layer_whose_gain_does_not_pay_for_moving() -> None:
    load = np.array([[10.0, 10.0, 10.0, 10.1], [100.0, 100.0, 1.0, 1.0]])
    previous = plan_of([0, 1, 2, 3], [0, 1, 2, 3])
    fresh = plan_of([0, 3, 1, 2], [0, 2, 1, 3])
    kept = keep_where_it_pays(fresh, previous, load, 2, 0.05)
    assert kept[0].tolist() == [0, 1, 2, 3]
    assert sorted(kept[1][:2].tolist()) in ([0, 2], [1, 3])
    assert keep_where_it_pays(fresh, None, load, 2, 0.05) is fresh
