from __future__ import annotations

import difflib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import difference
from reports.difference import unified

NAMES = ("old", "new")
LINES = st.lists(st.sampled_from("abcdef"), max_size=30)


def _applied(old: list[str], patch: list[str]) -> list[str]:
    """What a patch makes of a text; every line that it removes or keeps must be there."""
    new: list[str] = []
    at = 0
    for line in patch[2:]:
        if line.startswith("@@"):
            start, _, length = line.split()[1][1:].partition(",")
            first = int(start) - (length != "0")
            new += old[at:first]
            at = first
            continue
        if line[0] in " -":
            assert old[at] == line[1:]
            at += 1
        if line[0] in " +":
            new.append(line[1:])
    return new + old[at:]


@pytest.mark.parametrize("most_steps", [0, 5_000_000])
@given(old=LINES, new=LINES, context=st.integers(0, 4))
def test_the_difference_makes_one_text_out_of_the_other(
    most_steps: int, old: list[str], new: list[str], context: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "_MOST_STEPS", most_steps)
        lines = unified(old, new, NAMES, context)
    assert (lines == []) == (old == new)
    assert _applied(old, lines) == new
    assert len(lines) <= 2 + 2 * (len(old) + len(new))


def test_ordinary_programs_differ_as_difflib_says() -> None:
    old = [f"line {number}" for number in range(100)]
    new = [*old[:10], "a", *old[10:14], *old[15:40], "b", *old[60:], "c"]
    for context in (0, 2, 3):
        wanted = difflib.unified_diff(old, new, *NAMES, lineterm="", n=context)
        assert unified(old, new, NAMES, context) == list(wanted)


def test_lines_at_both_ends_are_equal_though_the_rest_is_too_long_to_compare() -> None:
    same = [f"same {number}" for number in range(20)]
    old, new = ([*same, *(f"{which} {number}" for number in range(2_000)), *same] for which in NAMES)
    lines = unified(old, new, NAMES)
    assert lines[2:6] == ["@@ -18,2006 +18,2006 @@", " same 17", " same 18", " same 19"]
    assert [line[0] for line in lines[6:]] == ["-"] * 2_000 + ["+"] * 2_000 + [" "] * 3


@pytest.mark.parametrize(("lines", "numbers"), [(4_000, 60), (1_000, 3), (900, 40), (300, 1), (20_000, 20_000)])
def test_crafted_texts_take_no_long_time(lines: int, numbers: int) -> None:
    old, new = ([text for at in range(lines // 2) for text in (str(at % numbers), end)] for end in ("x", "y"))
    begun = time.process_time()
    unified(old, new, NAMES)
    assert time.process_time() - begun < 5, "a bound that only cubic work can pass"
