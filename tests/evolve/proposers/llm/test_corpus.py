"""The written corpus, read: answers, and twenty corruptions of each, by whoever had not seen the reader."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from evolve.proposers.llm.answers import AnswerError, Form, read_answer

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path.name for path in (CORPUS / "cases").iterdir() if path.is_dir())
ENTRIES = {
    "deepseek_hierarchical": "plan",
    "threshold": "plan",
    "circle_packing": "run_packing",
    "bin_packing": "count_bins",
}
# Harmless corruptions after which the expected program is not read, and why; all others are.
REFUSED = {
    ("aider-udiff-simple-05", "closing_fence_dropped"): "its header announces more lines than come before the end",
    ("fenced-python-05", "closing_fence_dropped"): "one function without end of fence: it may be cut off",
    ("shinka-full-04", "closing_fence_dropped"): "a part of the program without end of fence: it may be cut off",
}
EVERY = 3  # of the harmful corruptions each third case, another third for each corruption


def load_corruptions() -> ModuleType:
    """Load the table of corruptions by its path: tests import no other test file."""
    spec = importlib.util.spec_from_file_location("corpus_corruptions_read", CORPUS / "corruptions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CORRUPTIONS = load_corruptions().CORRUPTIONS
HARMLESS = [name for name, corruption in CORRUPTIONS.items() if corruption.harmless]
HARMFUL = [name for name, corruption in CORRUPTIONS.items() if not corruption.harmless]


class Case:
    """An answer, the program that it is for, and the one that it means."""

    def __init__(self, name: str) -> None:
        folder = CORPUS / "cases" / name
        self.name = name
        self.facts: dict[str, Any] = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        self.answer = (folder / "answer.md").read_bytes().decode("utf-8")
        self.parent = (CORPUS / "parents" / f"{self.facts['parent']}.py").read_text(encoding="utf-8")
        expected = folder / "expected.py"
        self.expected = expected.read_text(encoding="utf-8") if expected.exists() else None

    def spoilt(self, corruption: str) -> str | None:
        """Spoil the answer; None where that changes nothing."""
        text: str = CORRUPTIONS[corruption].function(self.answer, Random(f"{self.name}:{corruption}"))
        return text if text != self.answer else None

    def read(self, text: str | None = None, *, cut: bool = False) -> str | None:
        """Read the answer, or a spoilt one; None for a refusal. Any other error is one of the test."""
        try:
            return read_answer(
                self.answer if text is None else text,
                parent=self.parent,
                entry=ENTRIES[self.facts["parent"]],
                wanted=Form(self.facts["wanted"]),
                template=self.parent if self.facts["template"] else None,
                cut=cut,
            ).source
        except AnswerError:
            return None


ALL = [Case(name) for name in CASES]


@lru_cache(maxsize=1_000)
def meaning(source: str) -> str:
    """The syntax tree without docstrings; comments are not in it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def lines(source: str, *, tabs: bool) -> list[str]:
    """The text without blank space at line ends."""
    return [line.rstrip() for line in (source.expandtabs(4) if tabs else source).strip().split("\n")]


def verdict(found: str | None, expected: str | None, *, tabs: bool = False) -> str:
    """Say what came of an answer: "expected", "refused", or "other" for any other program."""
    if found is None:
        return "refused" if expected is not None else "expected"
    if expected is None or meaning(found) != meaning(expected):
        return "other"
    return "expected" if lines(found, tabs=tabs) == lines(expected, tabs=tabs) else "other layout"


@pytest.mark.parametrize("case", ALL, ids=CASES)
def test_answer_is_read_as_a_careful_reader_would(case: Case) -> None:
    assert verdict(case.read(), case.expected) == "expected"


@pytest.mark.parametrize("corruption", HARMLESS)
def test_harmless_corruption_changes_nothing(corruption: str) -> None:
    verdicts = {
        case.name: verdict(case.read(text), case.expected, tabs=corruption == "tabs")
        for case in ALL
        if (text := case.spoilt(corruption)) is not None
    }
    refused = {name for name, spoilt in REFUSED if spoilt == corruption}
    assert {name: found for name, found in verdicts.items() if found != "expected"} == dict.fromkeys(refused, "refused")
    assert len(verdicts) >= 25


@pytest.mark.parametrize("corruption", HARMFUL)
def test_harmful_corruption_gives_a_program_or_a_reason(corruption: str) -> None:
    shift = HARMFUL.index(corruption)
    chosen = [case for n, case in enumerate(ALL) if (n + shift) % EVERY == 0]
    verdicts: Counter[str] = Counter()
    for case in chosen:
        text = case.spoilt(corruption)
        if text is None:
            continue
        found = case.read(text)
        if found is not None:
            ast.parse(found)
            assert found.strip() != case.parent.strip()
        verdicts[verdict(found, case.expected)] += 1
    assert sum(verdicts.values()) >= 15


def test_damaged_search_text_never_gives_another_program() -> None:
    for case in ALL:
        text = case.spoilt("search_word_changed")
        if text is not None:
            # "Other layout": a comment that the edit misquotes stays as it is in the program.
            assert verdict(case.read(text), case.expected) != "other", case.name


def test_lost_line_of_structure_never_gives_another_program() -> None:
    for case in ALL:
        text = case.spoilt("structure_line_removed")
        if text is not None:
            assert verdict(case.read(text), case.expected) != "other", case.name


def test_cut_answer_that_is_known_as_such_never_gives_a_cut_program() -> None:
    # What is whole before the cut is read; these answers hold more after it.
    whole = {"aider-editblock-02", "fenced-python-08", "skydiscover-02", "refused-12"}
    for case in ALL:
        for share in (0.55, 0.8):
            found = case.read(case.answer[: int(len(case.answer) * share)], cut=True)
            assert verdict(found, case.expected) != "other" or case.name in whole, (case.name, share)
