import math

import pytest

from evaluators.foreign.result import Said, check_error, merged, passes, read_said, score_of, told
from evaluators.model import Outcome
from evaluators.problem import RefusedError


def reply(*metrics, artifacts=()):
    return {"kind": "result", "metrics": [list(row) for row in metrics], "artifacts": [list(row) for row in artifacts]}


def test_figures_flags_and_texts_are_told_apart():
    said = read_said(reply(("a", "number", "1.5"), ("b", "flag", "True"), ("c", "text", "x"), artifacts=[("log", "y")]))
    assert said == Said(numbers={"a": 1.5}, flags={"b": True}, texts={"c": "x"}, artifacts={"log": "y"})
    assert told(said) == "[c] x\n[log] y\n"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {"kind": 3},
        {"kind": "result"},
        {"kind": "result", "metrics": [["a", "number"]], "artifacts": []},
        {"kind": "result", "metrics": [["a", "number", 1.0]], "artifacts": []},
        {"kind": "result", "metrics": [["a", "number", "many"]], "artifacts": []},
        {"kind": "result", "metrics": [["a", "number", "1"]] * 1000, "artifacts": []},
    ],
)
def test_a_reply_in_another_form_is_forged(value):
    with pytest.raises(RefusedError) as caught:
        read_said(value)
    assert caught.value.outcome is Outcome.CHEATED


def test_what_is_neither_figures_nor_a_result_is_wrong():
    with pytest.raises(RefusedError, match="returned a float") as caught:
        read_said({"kind": "float"})
    assert caught.value.outcome is Outcome.WRONG


def test_the_score_is_the_combined_one_or_a_mean_without_features():
    assert score_of(Said(numbers={"combined_score": 0.3, "a": 9.0}), ("a",)) == 0.3
    assert score_of(Said(numbers={"a": 1.0, "b": 3.0, "size": 50.0, "n": math.nan}), ("size",)) == 2.0
    assert score_of(Said(numbers={"size": 50.0}), ("size",)) == 50.0


@pytest.mark.parametrize("numbers", [{}, {"error": 0.0}, {"combined_score": math.nan}, {"a": math.inf}])
def test_no_finite_number_is_no_score(numbers):
    with pytest.raises(RefusedError) as caught:
        score_of(Said(numbers=numbers), ())
    assert caught.value.outcome is Outcome.WRONG


def test_an_error_that_the_task_reports_is_no_score():
    check_error(Said(numbers={"error": 0.0}))
    check_error(Said(numbers={}, texts={"error": ""}))
    with pytest.raises(RefusedError, match="reports an error: out of range"):
        check_error(Said(numbers={"combined_score": 0.0}, texts={"error": "out of\nrange"}))


def test_thresholds_and_merging_are_as_in_openevolve():
    assert passes(Said(numbers={"combined_score": 0.5, "a": 0.0}), 0.5)
    assert not passes(Said(numbers={"combined_score": math.nan}), 0.0)
    assert passes(Said(numbers={"a": 0.0}, flags={"ok": True}), 0.5)
    assert not passes(Said(numbers={"error": 5.0}), 0.5)
    first = Said(numbers={"a": 1.0, "error": 0.0}, artifacts={"x": "1", "y": "1"})
    second = Said(numbers={"a": 2.0}, flags={"ok": True}, artifacts={"y": "2"})
    both = merged(first, second)
    assert dict(both.numbers) == {"a": 2.0, "ok": 1.0}
    assert (dict(both.artifacts), both.stages) == ({"x": "1", "y": "2"}, 2)
