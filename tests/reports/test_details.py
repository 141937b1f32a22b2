from __future__ import annotations

import json
import time
from typing import Any

import pytest

from evaluators.model import Outcome, Split
from reports import details
from reports.formats import to_json
from reports.text import ReportError, plain_text


def test_show(small: Any, metrics: Any) -> None:
    text = plain_text(details.show(small.archive, small.run, 4, metrics), 120)
    assert text.startswith("#0004 ★ best · crossover:forecast · by operators\n")
    assert "scores (points ± 95 %): train 61.0 ± 2.8, validation 56.0 ± 2.8, hidden 52.0 ± 2.8" in text
    assert "parents: #0002 #0000\nchildren: none\nnote: hedge replicas\n" in text
    assert "way: first 61.0 ± 2.8 (train) → confirmed 56.0 ± 2.8 (validation), shrunk by 5.0 points (8 %)" in text
    assert "search:\nok: 61.0 ± 2.8 points" in text
    assert "confirm:\nok: 56.0 ± 2.8 points" in text
    assert "validation-2" in text
    assert "  2     return 4" in text


def test_only_the_latest_evaluation_of_a_split_is_shown_in_full(small: Any, metrics: Any) -> None:
    small.again(4, [40.0, 41.0], Split.HIDDEN, block=1)
    text = plain_text(details.show(small.archive, small.run, 4, metrics), 120)
    assert "final: ok: 52.0 ± 2.8 points" in text
    assert "final:\nok: 40.5 ±" in text


def test_show_children_and_in_flight(small: Any, metrics: Any) -> None:
    number = small.add(None, parents=(4,))
    assert "search: in flight (train block 0)" in plain_text(details.show(small.archive, small.run, number, metrics))
    assert f"children: #{number:04d}" in plain_text(details.show(small.archive, small.run, 4, metrics))


def test_many_children_are_counted(small: Any, metrics: Any) -> None:
    for _ in range(20):
        small.add(Outcome.TIMEOUT, parents=(0,))
    text = plain_text(details.show(small.archive, small.run, 0, metrics), 160)
    assert "and 9 more" in text


def test_hostile_source_reason_and_note_are_disarmed(new_run: Any, metrics: Any) -> None:
    built = new_run()
    built.add(
        Outcome.CRASHED,
        reason="[bold]boom[/bold]\x1b]0;owned\x07",
        note="\x1b[2Jnote [link=x]y[/link]",
        source="x = '\x1b[31m\u202e'\n",
        log="[red]\x07log\n",
    )
    text = plain_text(details.show(built.archive, built.run, 0, metrics))
    assert "[bold]boom[/bold]" in text
    assert "note [link=x]y[/link]" in text
    assert "x = '\\x1b[31m\\u202e'" in text
    assert "[red]\\x07log" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_show_json(small: Any, metrics: Any) -> None:
    value = json.loads(to_json(details.show_json(small.archive, small.run, 2, metrics)))
    assert value["children"] == [3, 4, 5]
    assert value["parents"] == [1]
    assert value["scores"]["train"]["score"] == 30.0
    assert value["scores"]["validation"] is None
    assert value["way"]["shrinkage"] == {
        "confirmed": None,
        "hidden": {"points": 27.833333333333332, "percent": pytest.approx(92.8, abs=0.1)},
    }
    assert [(item["purpose"], item["split"]) for item in value["evaluations"]] == [
        ("search", "train"),
        ("final", "hidden"),
    ]
    assert value["source"] == "def plan():\n    return 2\n"


def test_diff_with_the_main_parent_or_another(small: Any) -> None:
    assert details.diff(small.archive, small.run, 4) == (
        "--- #0002 mutate:constant\n+++ #0004 crossover:forecast\n@@ -1,2 +1,2 @@\n def plan():\n"
        "-    return 2\n+    return 4\n"
    )
    assert "--- #0001 seed deepseek\n" in details.diff(small.archive, small.run, 4, 1)


def test_diff_with_itself_is_empty(small: Any) -> None:
    text = details.diff(small.archive, small.run, 4, 4)
    assert text == ""
    assert plain_text(details.diff_view(text)) == "no difference between the two programs\n"
    assert "+    return 4" in plain_text(details.diff_view(details.diff(small.archive, small.run, 4)))


def test_diff_of_crafted_programs_takes_no_long_time(new_run: Any) -> None:
    built = new_run()
    for separator in "12":
        source = "".join(f"{number % 60}\n{separator}\n" for number in range(2_000))
        built.add(Outcome.WRONG, source=source)
    begun = time.process_time()
    lines = details.diff(built.archive, built.run, 1, 0).splitlines()
    assert time.process_time() - begun < 5, "a bound that only cubic work can pass"
    assert lines[2:5] == ["@@ -1,4000 +1,4000 @@", " 0", "-1"]
    assert len(lines) == 3 + 1 + 2 * 3_999


def test_diff_of_a_seed_needs_another_candidate(small: Any) -> None:
    with pytest.raises(ReportError, match=r"#0000 of run quiet-otter has no parent.*name a second"):
        details.diff(small.archive, small.run, 0)


def test_runs(small: Any, new_run: Any) -> None:
    new_run("second")
    text = plain_text(details.runs_listing(small.archive), 140)
    lines = text.splitlines()
    assert " ".join(lines[3].split()) == "second eplb running – – – 0 0 0.0s 2030-01-02 03:04"
    assert " ".join(lines[4].split()) == (
        "quiet-otter eplb running #0004 56.0 ± 2.8 validation 6 10 8m 12s 2030-01-02 03:04"
    )
    rows = json.loads(str(details.runs_listing(small.archive, "json")))
    assert rows[1]["score"]["score"] == 56.0
    assert rows[1]["duplicates"] == 1234
    assert rows[0]["best"] is None


def test_no_runs(archive: Any) -> None:
    assert plain_text(details.runs_listing(archive)) == "no runs yet: start one with evolve run PROBLEM\n"
