"""The written corpus of model answers is complete, consistent, and spoilt as its corruptions say. Needs no parser."""

from __future__ import annotations

import ast
import difflib
import html
import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from evaluators.region import change_outside

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path for path in (CORPUS / "cases").iterdir() if path.is_dir())
FIELDS = {"format": str, "parent": str, "wanted": str, "template": bool, "expect": str, "why": str}
# Corruptions that have a grip on every answer with any text at all.
ALWAYS = {
    "crlf",
    "trailing_spaces",
    "prose_around",
    "think_before",
    "answer_twice",
    "bom",
    "cut_in_the_middle",
    "line_lost",
}


def load_corruptions() -> ModuleType:
    """Load the table of corruptions by its path: tests import no other test file."""
    spec = importlib.util.spec_from_file_location("corpus_corruptions", CORPUS / "corruptions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CORRUPTIONS = load_corruptions().CORRUPTIONS
ANSWERS = {case.name: (case / "answer.md").read_text(encoding="utf-8") for case in CASES}


def facts_of(case: Path) -> dict[str, object]:
    """Read what a case says of itself."""
    facts: dict[str, object] = json.loads((case / "case.json").read_text(encoding="utf-8"))
    return facts


def parent_of(case: Path) -> str:
    """Read the parent program of a case."""
    return (CORPUS / "parents" / f"{facts_of(case)['parent']}.py").read_text(encoding="utf-8")


def shape(source: str) -> str:
    """Syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_is_complete(case: Path) -> None:
    facts = facts_of(case)
    assert {name: type(value) for name, value in facts.items()} == FIELDS
    assert re.fullmatch(re.escape(str(facts["format"])) + r"-\d\d", case.name)
    assert facts["wanted"] in {"edit", "whole"}
    assert facts["why"]
    expected = case / "expected.py"
    assert facts["expect"] == ("program" if expected.exists() else "refused")
    names = {path.name for path in case.iterdir()}
    assert names == {"answer.md", "case.json"} | ({"expected.py"} if expected.exists() else set())
    assert not facts["template"] or "# EVOLVE-BLOCK-START" in parent_of(case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "expected.py").exists()], ids=lambda case: case.name
)
def test_expected_program_follows_from_the_answer(case: Path) -> None:
    parent, expected = parent_of(case), (case / "expected.py").read_text(encoding="utf-8")
    assert shape(expected) != shape(parent)
    if facts_of(case)["template"]:
        assert change_outside(expected, parent) is None
    answer = ANSWERS[case.name]
    for line in difflib.ndiff(parent.splitlines(), expected.splitlines()):
        code = line[2:].strip()
        if line.startswith("+ ") and code:
            assert code in answer or json.dumps(code)[1:-1] in answer, f"nothing in the answer says {code!r}"


def test_every_format_has_five_cases_and_ten_are_refused() -> None:
    count = Counter(str(facts_of(case)["format"]) for case in CASES)
    assert len(count) >= 15
    assert min(count.values()) >= 5
    assert count["refused"] >= 10
    assert len({facts_of(case)["parent"] for case in CASES}) >= 3
    assert len(set(ANSWERS.values())) == len(ANSWERS)


@pytest.mark.parametrize("path", sorted((CORPUS / "parents").glob("*.py")), ids=lambda path: path.stem)
def test_parents_parse_and_are_used(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"))
    assert any(facts_of(case)["parent"] == path.stem for case in CASES)


def test_there_are_twenty_corruptions_of_both_kinds() -> None:
    assert len(CORRUPTIONS) == 20
    assert sum(corruption.harmless for corruption in CORRUPTIONS.values()) >= 12
    assert all(corruption.meaning for corruption in CORRUPTIONS.values())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_is_deterministic_and_changes_text(name: str) -> None:
    function = CORRUPTIONS[name].function
    changed = set()
    for case, text in ANSWERS.items():
        spoilt = function(text, Random(f"{name}:{case}"))
        assert spoilt == function(text, Random(f"{name}:{case}"))
        if spoilt != text:
            changed.add(case)
    full = {case for case, text in ANSWERS.items() if text.strip()}
    assert changed >= full if name in ALWAYS else len(changed) >= 25


def test_harmless_corruptions_can_be_undone() -> None:
    for case, text in ANSWERS.items():
        spoilt = {
            name: corruption.function(text, Random(f"{name}:{case}"))
            for name, corruption in CORRUPTIONS.items()
            if corruption.harmless
        }
        assert spoilt["crlf"].replace("\r\n", "\n") == text
        assert [line.rstrip() for line in spoilt["trailing_spaces"].split("\n")] == [
            line.rstrip() for line in text.split("\n")
        ]
        assert text in spoilt["prose_around"]
        assert spoilt["think_before"].endswith(text)
        assert spoilt["answer_twice"].count(text) >= 2
        assert spoilt["tabs"].replace("\t", "    ") == text.replace("\t", "    ")
        assert spoilt["nbsp_in_prose"].replace("\u00a0", " ") == text
        assert spoilt["bom"][1:] == text
        assert text.startswith(spoilt["closing_fence_dropped"])
        assert html.unescape(spoilt["html_entities"]) == text
        assert re.sub(r"<{6,8}|={6,8}|>{6,8}", "|", spoilt["marker_lengths"]) == re.sub(r"<{7}|={7}|>{7}", "|", text)
        blank_free = [line for line in text.split("\n") if line]
        assert [line for line in spoilt["search_blank_line"].split("\n") if line] == blank_free
        fenced = [line for line in spoilt["fence_language"].split("\n") if not re.match(r"\s*(```|~~~)", line)]
        assert fenced == [line for line in text.split("\n") if not re.match(r"\s*(```|~~~)", line)]


def test_a_cut_answer_still_has_all_code() -> None:
    for case in CASES:
        answer = ANSWERS[case.name]
        cut = CORRUPTIONS["closing_fence_dropped"].function(answer, Random(0))
        if cut != answer and (case / "expected.py").exists():
            lost = answer[len(cut) :]
            assert not re.search(r"<{5}|@@|old_str|\bdef |\breturn |\*\*\* ", lost), case.name


def test_changed_search_word_is_in_no_parent() -> None:
    parents = "\n".join(path.read_text(encoding="utf-8") for path in (CORPUS / "parents").glob("*.py"))
    for case, text in ANSWERS.items():
        spoilt = CORRUPTIONS["search_word_changed"].function(text, Random(case))
        if spoilt != text:
            new = set(re.findall(r"\w+", spoilt)) - set(re.findall(r"\w+", text))
            assert len(new) == 1
            assert not new & set(re.findall(r"\w+", parents))
