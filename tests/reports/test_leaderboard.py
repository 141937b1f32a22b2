from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from evaluators.model import Outcome, Split
from reports import leaderboard as board
from reports.formats import Format
from reports.text import plain_text

SCALE = "0 = deepseek, 100 = next window"


def shown(built: Any, metrics: Any, width: int = 200, fmt: str = "table", **page: Any) -> str:
    standings = built.archive.standings(built.id, **page)
    view = board.leaderboard(built.archive, built.run, standings, metrics=metrics, scale=SCALE, fmt=fmt)
    return view if isinstance(view, str) else plain_text(view, width)


def test_the_table(small: Any, metrics: Any) -> None:
    lines = shown(small, metrics).splitlines()
    assert lines[0] == "run quiet-otter · problem eplb · workloads d1d1d1d1d1d1 · running"
    assert lines[1] == SCALE
    assert lines[2] == "6 candidates · 6 evaluated (5 ok, 1 wrong) · 4 repeat measurements"
    assert [" ".join(line.split()) for line in lines[7:9]] == [
        "1 #0004 ★ best crossover:forecast #0002 #0000 61.0 ± 2.8 58.2 56.0 ± 2.8 52.0 ± 2.8 1 12.5 0.91 ok",
        "2 #0005 mutate:constant #0002 50.0 ± 19.1 30.9 – – 0 12.5 0.91 ok",
    ]
    assert "4      #0001  seed    seed deepseek" in lines[10]


def test_json_has_full_precision_and_units(small: Any, metrics: Any) -> None:
    rows = json.loads(shown(small, metrics, fmt=Format.JSON))
    assert [row["number"] for row in rows] == [4, 5, 2, 1, 0]
    best = rows[0]
    assert best["marks"] == ["best"]
    assert best["parents"] == [2, 0]
    assert best["train"]["score"] == 61.0
    assert best["train"]["low"] == small.archive.standing(small.id, 4).estimates[Split.TRAIN].low
    assert best["validation"]["n"] == 3
    assert best["hidden_measurements"] == 1
    assert best["way"]["first"]["score"] == best["train"]["score"]
    assert best["way"]["shrinkage"]["confirmed"]["points"] == 5.0
    assert best["metrics"]["runtime"] == {"value": 12.5, "unit": "ms"}
    assert best["outcome"] == "ok"
    assert rows[1]["hidden"] is None
    assert rows[1]["way"] is None, "measured once"
    assert rows[3]["marks"] == ["seed"]


def test_csv_and_markdown(small: Any, metrics: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(shown(small, metrics, fmt=Format.CSV))))
    assert (rows[0]["number"], rows[0]["train.score"], rows[0]["marks"]) == ("4", "61.0", "best")
    markdown = shown(small, metrics, fmt=Format.MARKDOWN).splitlines()
    assert markdown[2].startswith("| 1 | #0004 | ★ best | crossover:forecast |")
    assert len({line.count("|") for line in markdown}) == 1


def test_top_and_sort(small: Any, metrics: Any) -> None:
    rows = json.loads(shown(small, metrics, fmt="json", top=2, sort="number"))
    assert [row["number"] for row in rows] == [0, 1]


def test_hidden_measurements_are_counted(small: Any) -> None:
    small.again(4, [50.0, 51.0, 52.0], Split.HIDDEN, block=1)
    standings = small.archive.standings(small.id)
    assert board.hidden_measurements(small.archive, small.id, standings) == {4: 2, 2: 1, 1: 1}


@pytest.mark.parametrize("width", [80, 60, 50])
def test_narrow_terminals_keep_rank_number_and_score(small: Any, metrics: Any, width: int) -> None:
    text = shown(small, metrics, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "#0004" in text
    assert "61.0 ± 2.8" in text


def test_an_empty_run(new_run: Any, metrics: Any) -> None:
    text = shown(new_run(), metrics)
    assert "0 candidates · 0 evaluated\n" in text
    assert "no candidate has a score yet" in text


def test_a_run_of_failures_says_which(new_run: Any, metrics: Any) -> None:
    built = new_run()
    for outcome in (Outcome.WRONG, Outcome.WRONG, Outcome.OUT_OF_MEMORY):
        built.add(outcome)
    text = shown(built, metrics)
    assert "3 candidates · 3 evaluated (2 wrong, 1 out of memory)" in text
    assert "no candidate has a score yet" in text


def test_foreign_text_is_not_interpreted(new_run: Any, metrics: Any) -> None:
    built = new_run()
    built.add([1.0, 2.0], operator="[red]x[/red]\x1b[2J")
    standings = built.archive.standings(built.id)
    view = board.leaderboard(built.archive, built.run, standings, metrics=metrics, scale=SCALE)
    stream = io.StringIO()
    Console(file=stream, width=160, force_terminal=True, color_system="truecolor").print(view)
    assert "[red]x[/red]" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


def test_seeds(small: Any) -> None:
    seeds = board.seed_standings(small.archive, small.run)
    assert [seed.operator for seed in seeds] == ["contiguous", "deepseek"]
    best = board.best_seed(seeds)
    assert best is not None
    assert best.operator == "deepseek"
    assert board.best_seed(seeds, Split.VALIDATION) is None
