from __future__ import annotations

import numpy as np
import pytest

from evaluators.replies import Expected, Rule, fault_of

SORTED = Rule(
    name="sorted",
    fault=lambda array: "is not sorted" if (np.diff(array) < 0).any() else None,
    spoil=lambda array, rng: array[::-1].copy(),
)
IDS = Expected(what="the answer", dtype="int32", shape=(3,), low=0, high=9, values="ids", rules=(SORTED,))
REAL = Expected(what="the answer", dtype="float64", shape=(2,), low=0.0)


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


@pytest.mark.parametrize(
    ("value", "expected", "check", "words"),
    [
        (None, IDS, "dtype", "must be an array of int32, not None"),
        ([0, 1, 2], IDS, "dtype", "not list"),
        ((ids(0, 1, 2), ids(0)), IDS, "dtype", "not several values"),
        (ids(0, 1, 2).astype(np.int64), IDS, "dtype", "dtype int32, not int64"),
        (ids(0, 1), IDS, "shape", r"shape (3,), not (2,)"),
        (ids(-1, 1, 2), IDS, "range", "ids must lie in 0..9, found -1"),
        (ids(0, 1, 10), IDS, "range", "found 10"),
        (ids(2, 1, 0), IDS, "sorted", "is not sorted"),
        (np.array([0.0, np.nan]), REAL, "finite", "found NaN or infinity"),
        (np.array([0.0, np.inf]), REAL, "finite", "found NaN or infinity"),
        (np.array([0.0, -0.5]), REAL, "range", "must lie in 0.0..None, found -0.5"),
    ],
)
def test_the_first_fault_names_check_and_reason(value: object, expected: Expected, check: str, words: str) -> None:
    first = fault_of(value, expected)
    assert first is not None
    assert (first.check, words in first.reason) == (check, True), first


def test_a_legal_reply_has_no_fault_even_at_the_edges() -> None:
    assert fault_of(ids(0, 0, 9), IDS) is None
    assert fault_of(np.array([0.0, 1e300]), REAL) is None
    assert fault_of(np.zeros((0,), np.int32), Expected(what="x", dtype="int32", shape=(0,), low=0, high=1)) is None


def test_a_check_that_is_switched_off_lets_its_fault_through_and_no_other() -> None:
    assert fault_of([0, 1, 2], IDS, frozenset({"dtype"})) is None
    assert fault_of(ids(0, 1), IDS, frozenset({"shape"})) is None
    assert fault_of(ids(-1, 1, 2), IDS, frozenset({"range"})) is None
    assert fault_of(ids(2, 1, 0), IDS, frozenset({"sorted"})) is None
    assert fault_of(np.array([0.0, np.inf]), REAL, frozenset({"finite"})) is None
    still = fault_of(ids(-1, 1, 2), IDS, frozenset({"sorted"}))
    assert still is not None
    assert still.check == "range"


def test_a_form_says_which_checks_it_implies() -> None:
    assert IDS.checks == ("dtype", "shape", "range", "sorted")
    assert REAL.checks == ("dtype", "shape", "finite", "range")
    assert Expected(what="x", dtype="bool", shape=()).checks == ("dtype", "shape")
