from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime

import pytest

from evaluators.model import Outcome
from reports.formats import Column, Format, Listing, render, show_value, to_json
from reports.text import plain_text

COLUMNS = (
    Column(title="name", path=("name",), numeric=False),
    Column(title="time", path=("time", "value"), unit="ms"),
    Column(title="score", path=("score",), fields=("mean", "low"), show=lambda value: f"<{value['mean']}>"),  # type: ignore[index]
)
ROWS = (
    {"name": "a", "time": {"value": 1 / 3, "unit": "ms"}, "score": {"mean": 0.1 + 0.2, "low": -math.inf}},
    {"name": "b|[red]*\x1b[31m", "time": None, "score": {"mean": 2.0, "low": 1.0}},
)


def test_the_table_has_units_and_no_interpreted_markup() -> None:
    shown = plain_text(render(ROWS, COLUMNS, "table"))
    assert "(ms)" in shown
    assert "0.3333" in shown
    assert "b|[red]*" in shown
    assert "\x1b" not in shown


def test_json_is_complete_precise_and_ascii() -> None:
    text = render(ROWS, COLUMNS, Format.JSON)
    assert isinstance(text, str)
    assert text.isascii()
    rows = json.loads(text)
    assert rows[0] == {
        "name": "a",
        "time": {"value": 1 / 3, "unit": "ms"},
        "score": {"mean": 0.1 + 0.2, "low": None},
    }
    assert "\\u001b" in text


def test_csv_reads_back_in_full_precision() -> None:
    text = render(ROWS, COLUMNS, "csv")
    assert isinstance(text, str)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["name", "time.value", "score.mean", "score.low"]
    assert float(rows[0]["time.value"]) == 1 / 3
    assert rows[0]["score.low"] == ""
    assert rows[1] == {"name": "b|[red]*", "time.value": "", "score.mean": "2.0", "score.low": "1.0"}


def test_csv_names_a_value_once_and_leaves_out_columns_of_the_whole_row() -> None:
    columns = (*COLUMNS, Column(title="low", path=("score", "low")), Column(title="all", path=()))
    text = render(ROWS, columns, "csv")
    assert isinstance(text, str)
    assert text.splitlines()[0] == "name,time.value,score.mean,score.low"


def test_markdown_escapes_what_would_break_it() -> None:
    assert render(ROWS, COLUMNS, "markdown") == (
        "| name | time (ms) | score |\n"
        "| --- | ---: | ---: |\n"
        "| a | 0.3333 | &lt;0.30000000000000004> |\n"
        "| b\\|\\[red\\]\\* | – | &lt;2.0> |\n"
    )


@pytest.mark.parametrize("fmt", list(Format))
def test_no_rows(fmt: Format) -> None:
    listing = render((), COLUMNS, fmt, empty="none yet")
    expected = {
        Format.TABLE: "none yet\n",
        Format.JSON: "[]",
        Format.CSV: "name,time.value,score.mean,score.low\n",
        Format.MARKDOWN: "| name | time (ms) | score |\n| --- | ---: | ---: |\n",
    }
    assert (listing if isinstance(listing, str) else plain_text(listing)) == expected[fmt]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="yaml"):
        render(ROWS, COLUMNS, "yaml")


def wide() -> Listing:
    columns = (
        Column(title="key", path=("key",), numeric=False),
        Column(title="first to go", path=("long",), numeric=False, priority=2),
        Column(title="second to go", path=("other",), numeric=False, priority=1),
        Column(title="text", path=("text",), numeric=False, flexible=True),
    )
    rows = [{"key": "k" * 10, "long": "l" * 30, "other": "o" * 20, "text": "t" * 60}]
    return Listing(rows=rows, columns=columns)


@pytest.mark.parametrize(("width", "gone"), [(200, []), (80, ["first to go"]), (40, ["first to go", "second to go"])])
def test_a_narrow_terminal_loses_the_least_important_columns_and_says_so(width: int, gone: list[str]) -> None:
    shown = plain_text(wide(), width)
    assert all(len(line) <= width for line in shown.splitlines())
    assert "k" * 10 in shown
    note = shown.partition("left out for want of width: ")[2].replace("\n", " ")
    assert [name for name in ("first to go", "second to go") if name in note] == gone


def test_free_text_gives_way_before_figures() -> None:
    shown = plain_text(wide(), 24)
    assert "k" * 10 in shown
    assert "ttt…" in shown


def test_values_for_readers() -> None:
    values = [None, True, 12345, 0.25, Outcome.TIMEOUT, [1, 2], datetime(2030, 1, 2, 3, 4, tzinfo=UTC)]
    assert [show_value(value) for value in values] == [
        "–", "yes", "12,345", "0.25", "timeout", "1 2", "2030-01-02 03:04",
    ]  # fmt: skip


def test_json_knows_enums_dates_and_infinities() -> None:
    value = {Outcome.OK: (math.nan, datetime(2030, 1, 2, tzinfo=UTC)), "list": {"x": {3}}}
    assert json.loads(to_json(value, indent=None)) == {
        "ok": [None, "2030-01-02T00:00:00+00:00"],
        "list": {"x": [3]},
    }
    assert "\n" not in to_json(value, indent=None)


@pytest.mark.parametrize("width", [70, 80, 130])
def test_two_long_texts_share_the_room_and_leave_names_whole(width: int) -> None:
    columns = (
        Column(title="name", path=("name",), numeric=False),
        Column(title="first", path=("first",), numeric=False, flexible=True),
        Column(title="second", path=("second",), numeric=False, flexible=True, priority=1),
    )
    rows = [{"name": "moe_combine", "first": "a" * 90, "second": "b" * 90}, {"name": "x", "first": "y", "second": "z"}]
    lines = plain_text(render(rows, columns, "table"), width).splitlines()
    assert max(map(len, lines)) <= width
    (row,) = [line for line in lines if "moe_combine" in line]
    assert row.count("a") > 20
    assert row.count("b") > 20
