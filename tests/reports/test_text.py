from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from evaluators.statistics import Estimate
from reports import text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (-1, "0.0s"),
        (3.21, "3.2s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (492, "8m 12s"),
        (3599.7, "1h 00m"),
        (7500, "2h 05m"),
        (3 * 86400 + 4 * 3600 + 59, "3d 04h"),
        (math.inf, "?"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("score", "shown"),
    [(61.25, "61.2"), (-0.04, "0.0"), (1234.56, "1,234.6"), (None, "–"), (math.nan, "?"), (-3e9, "-3e+09")],
)
def test_points(score: float | None, shown: str) -> None:
    assert text.points(score) == shown


@pytest.mark.parametrize(
    ("change", "shown"), [(2.0, "+2.0"), (-2.0, "-2.0"), (0.01, "0.0"), (None, "–"), (math.inf, "?")]
)
def test_signed(change: float | None, shown: str) -> None:
    assert text.signed(change) == shown


def test_an_interval_is_shown_as_its_half_width() -> None:
    assert text.with_interval(61.3, 60.5, 62.1) == "61.3 ± 0.8"
    assert text.estimate_text(None) == "–"


def test_an_unknown_interval_is_a_question_mark() -> None:
    one = Estimate(mean=50.0, stderr=math.inf, n=1, low=-math.inf, high=math.inf)
    assert text.estimate_text(one) == "50.0 ± ?"
    assert text.with_interval(50.0, None, None) == "50.0 ± ?"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (12.5, "ms", "12.5 ms"),
        (0.98541, "", "0.9854"),
        (120000.0, "tokens", "120,000 tokens"),
        (math.inf, "s", "? s"),
    ],
)
def test_quantity(value: float, unit: str, shown: str) -> None:
    assert text.quantity(value, unit) == shown


def test_counts_have_thousands_separators_and_the_right_number() -> None:
    assert text.count(1234567) == "1,234,567"
    assert text.count(1, "worker") == "1 worker"
    assert text.count(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("back\x08space\x7f", "backspace"),
        ("two\r\nlines\tand  blanks ", "two lines and blanks"),
        ("right\u202eleft\u200b", "rightleft"),
        ("para\u2029graph", "para graph"),
        ("[red]markup[/red]", "[red]markup[/red]"),
        ("ünïcode 日本", "ünïcode 日本"),
        ("\udc80lone", "lone"),
    ],
)
def test_one_line_disarms_foreign_text(foreign: str, shown: str) -> None:
    assert text.one_line(foreign) == shown


def test_one_line_cuts_with_an_ellipsis() -> None:
    assert text.one_line("abcdef", limit=4) == "abc…"
    assert len(text.one_line("x" * 10_000_000, limit=200)) == 200


@given(st.text(max_size=300))
def test_one_line_never_lets_a_control_character_through(foreign: str) -> None:
    assert text.one_line(foreign).isprintable()


@given(st.text(max_size=300))
def test_visible_keeps_lines_and_spells_everything_hidden(foreign: str) -> None:
    shown = text.visible(foreign)
    assert shown.replace("\n", "").isprintable()
    assert shown.count("\n") == foreign.count("\n")


def test_visible_spells_hidden_characters() -> None:
    assert text.visible("a\x1b[2Jb\u202ec\n\td") == "a\\x1b[2Jb\\u202ec\n    d"


def test_plain_text_neither_colours_nor_interprets() -> None:
    assert text.plain_text(Text("bold", style="bold red")) == "bold\n"
    assert text.plain_text("[red]x[/red] :smile:") == "[red]x[/red] :smile:\n"


def test_scale_text() -> None:
    assert text.scale_text("deepseek", "next\nwindow") == "0 = deepseek, 100 = next window"
