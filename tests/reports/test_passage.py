from __future__ import annotations

from typing import Any

import pytest

from evaluators.model import Split
from reports.passage import passage, passage_json, passage_text


def way_of(built: Any, number: int) -> Any:
    return passage(built.archive.standing(built.id, number), built.archive.evaluations(built.id, number))


def test_the_first_score_is_the_one_at_which_it_was_selected(small: Any) -> None:
    small.again(4, [20.0, 22.0, 21.0], Split.TRAIN, block=3)
    way = way_of(small, 4)
    assert small.archive.standing(small.id, 4).estimates[Split.TRAIN].mean == 41.0, "pooled over both blocks"
    assert (way.first.mean, way.first.n) == (61.0, 3)
    assert way.shrinkage(way.confirmed).points == 5.0
    assert way.shrinkage(way.hidden).percent == pytest.approx(100 * 9 / 61)


def test_a_score_below_zero_has_no_percentage(small: Any) -> None:
    small.again(0, [-30.0, -30.0, -30.0], Split.VALIDATION)
    way = way_of(small, 0)
    assert way.shrinkage(way.confirmed).percent is None
    assert passage_text(way).endswith("shrunk by 20.0 points")


def test_a_score_that_rises_has_grown(small: Any) -> None:
    assert passage_text(way_of(small, 1)) == ("first 0.0 ± 2.8 (train) → then 2.0 ± 2.8 (hidden), grown by 2.0 points")


def test_who_was_measured_once_or_never_went_nowhere(small: Any) -> None:
    assert passage_text(way_of(small, 5)) == ""
    failed = way_of(small, 3)
    assert (failed.first, passage_text(failed)) == (None, "")
    assert passage_json(failed) == {
        "first": None,
        "confirmed": None,
        "hidden": None,
        "shrinkage": {"confirmed": None, "hidden": None},
    }
