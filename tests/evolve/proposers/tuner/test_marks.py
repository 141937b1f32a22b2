from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.program import ProgramError, normalised_digest
from evolve.proposers.tuner.marks import Kind, Value, faults, in_range, read_marks, skeleton, written
from evolve.proposers.tuner.units import from_unit, to_unit
from seeds import ROOT, read_seeds

quick = settings(deadline=None, derandomize=True, max_examples=60)

ALL = '''"""Étude – # tune: int 1 9"""
A = 0.9  # tune: float 0.5 0.999
B: int = -3  # noqa: E225  # tune: int -8 8 step 2  # why
C = "fast"  # tune: choice fast exact 'x y' 1 True None
"""
NOT = 1  # tune: int 0 4
"""


class Box:
    size = (5)  # tune: int 1 900 log


def helper(é):
    s = "é"; "é"
    rounds = 4  # tune: int 1 9 step 3
    for _ in range(3):
        rounds = +2e-3  # tune: float 1e-5, 0.1, log
    return rounds, s, A


def plan(history):
    return helper(history), B
'''


def spaces(draw: st.DrawFn) -> tuple[str, str, list[Value]]:
    """A present value, its mark, and values to write."""
    kind = draw(st.sampled_from(["float", "log", "int", "step", "choice"]))
    if kind == "choice":
        choices = draw(
            st.lists(st.integers(-5, 5) | st.sampled_from(["a", "b c", "é"]), min_size=2, max_size=4, unique=True)
        )
        words = " ".join(repr(choice) for choice in choices)
        return repr(choices[0]), f"choice {words}", [*choices, "none of them", 99]
    if kind in ("int", "step"):
        low, span = draw(st.integers(-1000, 1000)), draw(st.integers(10, 1000))
        step = draw(st.integers(2, 9)) if kind == "step" else 1
        more = draw(st.lists(st.integers(-3000, 3000) | st.floats(-3000, 3000), max_size=4))
        return str(low + step), f"int {low} {low + span}" + (f" step {step}" if step > 1 else ""), list(more)
    low_float = draw(st.floats(1e-9, 1e3)) if kind == "log" else draw(st.floats(-1e6, 1e6))
    high_float = low_float + draw(st.floats(0.1, 1e6))
    more_floats = draw(st.lists(st.floats(-1e7, 1e7), max_size=4))
    mark = f"float {low_float!r} {high_float!r}" + (" log" if kind == "log" else "")
    return repr(low_float), mark, list(more_floats)


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, dict[str, list[Value]]]:
    lines, wanted = ["# début\r\n"], {}
    for index in range(draw(st.integers(1, 4))):
        value, mark, values = spaces(draw)
        ending = draw(st.sampled_from(["\n", "\r\n"]))
        indented = draw(st.booleans())
        if indented:
            lines.append(f"def f{index}():{ending}    'é'; x = 0{ending}")
        lines.append(f"{'    ' * indented}N{index} = {value}  # tune: {mark}{ending}")
        wanted[f"f{index}.N{index}" if indented else f"N{index}"] = values
    return "".join(lines), wanted


def test_every_form_is_read() -> None:
    marks = {mark.key: mark for mark in read_marks(ALL)}
    assert list(marks) == ["A", "B", "C", "Box.size", "helper.rounds", "helper.rounds#1"]
    assert [mark.value for mark in marks.values()] == [0.9, -3, "fast", 5, 4, 0.002]
    assert [mark.line for mark in marks.values()] == [2, 3, 4, 11, 16, 18]
    assert marks["A"].space.kind is Kind.FLOAT
    assert (marks["B"].space.low, marks["B"].space.high, marks["B"].space.step) == (-8, 8, 2)
    assert marks["C"].space.choices == ("fast", "exact", "x y", 1, True, None)
    assert marks["Box.size"].space.log
    assert marks["helper.rounds"].space.high == 7
    assert marks["helper.rounds#1"].space.log
    assert faults(ALL) == []
    assert [mark.key for mark in read_marks(ALL, "plan")] == ["A", "B", "helper.rounds", "helper.rounds#1"]


def test_only_literals_change() -> None:
    values: dict[str, Value] = {
        "A": 0.123456789,
        "B": 5,
        "C": None,
        "Box.size": 77.4,
        "helper.rounds": 99,
        "helper.rounds#1": 1 / 30,
        "nowhere": 3,
    }
    expected = (
        ALL.replace("A = 0.9", "A = 0.5")
        .replace("= -3", "= 4")
        .replace('= "fast"', "= None")
        .replace("(5)", "(77)")
        .replace("rounds = 4", "rounds = 7")
        .replace("+2e-3", "0.0333333")
    )
    assert written(ALL, values) == expected
    assert written(ALL, {}) == ALL
    assert written(ALL, {mark.key: mark.value for mark in read_marks(ALL)}) == ALL


@quick
@given(programs(), st.data())
def test_what_is_written_is_read_again_within_the_range(
    drawn: tuple[str, dict[str, list[Value]]], data: st.DataObject
) -> None:
    source, wanted = drawn
    assert faults(source) == []
    values = {key: data.draw(st.sampled_from(options)) for key, options in wanted.items() if options}
    text = written(source, values)
    before, after = read_marks(source), read_marks(text)
    assert [(mark.key, mark.space) for mark in before] == [(mark.key, mark.space) for mark in after]
    for old, new in zip(before, after, strict=True):
        assert new.space.holds(new.value)
        asked = in_range(old, values.get(old.key, old.value))
        assert new.value == pytest.approx(asked) if isinstance(asked, float) else new.value == asked
    assert written(text, {mark.key: mark.value for mark in before if mark.key in values}) is not None
    literal = re.compile(r"(?m)(N\d = )[^\r\n]*?(  # tune)")
    assert literal.sub(r"\1\2", text) == literal.sub(r"\1\2", source)
    assert skeleton(text, "f0") == skeleton(source, "f0")
    ast.parse(text)


@quick
@given(st.text(alphabet="A=1-.# tune:floatinchestplog()\"'\n\r\t;[{é0", max_size=80))
def test_any_text_that_parses_is_read(noise: str) -> None:
    source = f"A = 1  # tune: int 0 4\n{noise}"
    try:
        marks = read_marks(source)
    except ProgramError:
        return
    assert written(source, {mark.key: mark.value for mark in marks}) == source
    assert all(sentence.startswith("line ") for sentence in faults(source))
    skeleton(source, "A")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("E = 3  # tune: float 9 1", "LOW 9 is not below HIGH 1"),
        ("E = 3  # tune: float 1 1", "LOW 1 is not below HIGH 1"),
        ("E = 3  # tune: int 4 1", "not a step above LOW 4"),
        ("E = 3  # tune: int 1 4 step 7", "not a step above LOW 1"),
        ("E = 3  # tune: int 1 4 step 0", "the step at least 1"),
        ("E = 3  # tune: int 1 4 step", "may stand `step N` and nothing else"),
        ("E = 3  # tune: int 1.5 4", "are whole numbers"),
        ("E = 3  # tune: float 0 4 log", "`log` needs LOW above 0"),
        ("E = 3  # tune: float 1 4 lin", "may stand `log` and nothing else"),
        ("E = 3  # tune: float nan 4", "beyond 2**53"),
        ("E = 3  # tune: float 0 1e400", "beyond 2**53"),
        ("E = 3  # tune: float zero 4", "`zero` is not a number"),
        ("E = 9  # tune: int 1 4", "the present value 9 lies outside 1 .. 4; widen the range or change it"),
        ("E = 2.0  # tune: int 1 4", "the present value 2.0 is not of the kind int"),
        ("E = True  # tune: int 0 1", "the present value True is not of the kind int"),
        ("E = 3  # tune: choice 1 2", "is none of the choices; add it to them"),
        ("E = 3  # tune: choice 3", "at least two values"),
        ("E = 3  # tune: choice 3 4 3.0", "stands there twice"),
        ("E = 3  # tune: later", "the mark is none of `float LOW HIGH [log]`"),
        ("E = 3  # tune:", "the mark is none of"),
        ("E = [3]  # tune: int 1 4", "E is not assigned a plain number"),
        ("E = F = 3  # tune: int 1 4", "only `NAME = literal` can be marked"),
        ("E.x = 3  # tune: int 1 4", "only `NAME = literal` can be marked"),
        ("E = 3; F = 4  # tune: int 1 4", "or beside several; give each a line of its own"),
        ("# tune: int 1 4", "beside no assignment"),
        (f"E = {'9' * 4000}  # tune: int 1 4", "not of the kind int|a huge number"),
        (f"E = 0x{'f' * 5000}  # tune: float 1 4", "a huge number"),
        (f"E = 0x{'f' * 5000}  # tune: choice 1 4", "a huge number"),
        ("E = 1000.0  # tune: float 1000 1000.0000000000001 log", "too close to LOW 1000 for `log`"),
        ("E = 1000.0  # tune: float 1000 1000.0009 log", "leave `log` out or widen the range"),
        ("E = 9007199254740991  # tune: int 9007199254740991 9007199254740992 log", "too close to LOW"),
        ("E = 1e-320  # tune: float 5e-324 1 log", "LOW too close to 0"),
        ("E = 0.0  # tune: float 0 5e-324", "too close to LOW 0"),
        (f"E = 0  # tune: choice {' '.join(map(str, range(65)))}", "at most 64 values, not 65"),
        ("E = 1  # tune: choice 1 True 1.0", "the choice 1.0 stands there twice"),
    ],
)
def test_a_malformed_mark_is_ignored_and_reported(line: str, told: str) -> None:
    source = f"\n{line}\nGOOD = 3  # tune: int 1 4\n"
    assert [mark.name for mark in read_marks(source)] == ["GOOD"]
    (sentence,) = faults(source)
    assert sentence.startswith("line 2: ")
    assert any(part in sentence for part in told.split("|"))
    assert written(source, {"E": 1, "GOOD": 2}) == source.replace("GOOD = 3", "GOOD = 2")


@pytest.mark.parametrize(
    "line",
    [
        "E = 1000.0  # tune: float 1000 1000.1 log",
        "E = 1  # tune: int 1 2 log",
        "E = 9007199254740991  # tune: int 9007199254740991 9007199254740992",
        "E = 1.0  # tune: float 1e-300 9007199254740992 log",
        "E = 0.0  # tune: float 0 1e-300",
        f"E = 0  # tune: choice {' '.join(map(str, range(64)))}",
        "E = True  # tune: choice 1 True '1' None",
    ],
)
def test_a_narrow_or_wide_range_that_can_be_used_is_read(line: str) -> None:
    (mark,) = read_marks(line)
    if mark.space.kind is not Kind.CHOICE:
        places = [to_unit(mark.space, from_unit(mark.space, place / 10)) for place in range(11)]
        assert places == sorted(places)
        assert 0 <= places[0] < places[-1] <= 1


def test_more_marks_than_64_are_ignored_and_reported_whoever_reads() -> None:
    dead = "def idle():\n    SPARE = 1  # tune: int 1 4\n\n\n"
    marked = "".join(f"A{nth} = 1  # tune: int 1 4\n" for nth in range(70))
    source = f"{dead}{marked}\n\ndef plan():\n    return [{', '.join(f'A{nth}' for nth in range(70))}]\n"
    names = [mark.name for mark in read_marks(source)]
    assert names == ["SPARE", *(f"A{nth}" for nth in range(63))]
    assert [mark.name for mark in read_marks(source, "plan")] == names[1:]
    (sentence,) = faults(source)
    assert "only the first 64 marks" in sentence
    assert "6 behind it" in sentence
    assert written(source, {"A62": 2, "A63": 2}) == source.replace("A62 = 1", "A62 = 2")


def test_a_mark_inside_of_a_text_is_none_even_in_a_formatted_one() -> None:
    source = "A = f'{1}# tune: int 1 2' 'x'  # tune: int 1 4\nB = 'a' '# tune:'\nC = 1  # tune: int 1 4\n"
    assert [mark.name for mark in read_marks(source)] == ["C"]
    assert len(faults(source)) == 1


def test_a_skeleton_is_the_program_without_its_marked_literals() -> None:
    base = skeleton(ALL, "plan")
    assert re.fullmatch("[0-9a-f]{64}", base)
    same = written(ALL, {"A": 0.6, "helper.rounds": 7}).replace("Étude", "Something else") + "\n\nX = 4\n"
    assert skeleton(same, "plan") == base
    for old, new in [("return rounds, s, A", "return s, rounds, A"), ("0.5 0.999", "0.6 0.999"), ("A", "AA")]:
        assert skeleton(ALL.replace(old, new), "plan") != base
    assert skeleton("def plan(history):\n    return 3\n", "plan") == ""
    assert skeleton(ALL, "nobody") == ""


def test_a_program_means_the_same_with_marks() -> None:
    marked = {seed.name: seed.source for seed in read_seeds(ROOT / "eplb") if "# tune:" in seed.source}
    assert sorted(marked) == ["ema", "lpt_swaps", "threshold"]
    for source in marked.values():
        assert faults(source) == []
        plain = re.sub("  # tune:.*", "", source)
        assert normalised_digest(plain, entry="plan") == normalised_digest(source, entry="plan")
        assert len(read_marks(source, "plan")) == source.count("# tune:")
