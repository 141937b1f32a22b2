from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from db.archive import Archive
from db.records import RunRecord
from evaluators.eplb.problem import DECLARATION
from evaluators.model import Split
from evaluators.problem import Problem
from reports.formats import Format
from reports.problems import problem_rows, problems_view
from reports.text import plain_text


def problem(name: str, family: str, digest: str = "d", **changes: Any) -> Problem:
    facts = dataclasses.replace(DECLARATION, name=name, family=family, **changes)
    return cast(Problem, SimpleNamespace(declaration=facts, digest=digest, seeds=()))


PROBLEMS = [
    ("second", problem("second", "b family", best_known="55.0, by hand", cost="1.2 s, hidden 20 s")),
    ("third", problem("third", "a family", best_known="", cost="")),
    ("first", problem("first", "a family")),
]


def test_rows_are_ordered_by_family_and_name() -> None:
    rows = problem_rows(PROBLEMS, None)
    assert [row["name"] for row in rows] == ["first", "third", "second"]
    assert rows[2]["best_known"] == "55.0, by hand"
    assert all(row["here"] is None for row in rows)


def test_a_table_has_a_heading_for_each_family_and_a_dash_where_nothing_is_known() -> None:
    text = plain_text(problems_view(problem_rows(PROBLEMS, None), "table"), width=160)
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("a family") < next(n for n, line in enumerate(lines) if line.startswith("first"))
    assert lines.index("b family") < next(n for n, line in enumerate(lines) if line.startswith("second"))
    assert text.count("best known") == 2
    assert "55.0, by hand" in text
    assert "1.2 s, hidden 20 s" in text
    assert next(line for line in lines if line.startswith("third")).count("–") == 3


@pytest.mark.parametrize("fmt", [Format.JSON, Format.CSV, Format.MARKDOWN])
def test_other_formats_are_one_list_with_the_family(fmt: Format) -> None:
    text = problems_view(problem_rows(PROBLEMS, None), fmt)
    assert isinstance(text, str)
    assert text.count("a family") == 2
    assert "55.0, by hand" in text
    if fmt is Format.JSON:
        assert [row["cost"] for row in json.loads(text)][2] == "1.2 s, hidden 20 s"


def test_the_best_of_an_archive_is_the_highest_low_end_on_the_same_hidden_workloads(
    archive: Archive, small: Any, new_run: Callable[..., Any]
) -> None:
    other = new_run("late-lynx")
    other.add([10.0, 20.0, 30.0])
    other.again(0, [90.0, 10.0, 80.0], Split.HIDDEN)
    eplb = ("eplb", problem("eplb", "a family", digest="d1" * 32))
    (row,) = problem_rows([eplb], archive)
    here = cast(dict[str, Any], row["here"])
    best = max((small.run, 4), (other.run, 0), key=lambda one: low(archive, *one))
    assert (here["run"], here["number"]) == (best[0].name, best[1])
    assert here["low"] == low(archive, *best)
    text = plain_text(problems_view([row], "table"), width=200)
    assert "±" in text.split("here")[1]
    assert problem_rows([("eplb", problem("eplb", "a family", digest="other"))], archive)[0]["here"] is None


def low(archive: Archive, run: RunRecord, number: int) -> float:
    return archive.standing(run.id, number).estimates[Split.HIDDEN].low
