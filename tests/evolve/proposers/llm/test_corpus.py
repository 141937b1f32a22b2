"""The written corpus, read: answers, and twenty corruptions of each, by whoever had not seen the reader."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections import Counter
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


class Case:
    def __init__(self, name: str) -> None:
        folder = CORPUS / "cases" / name
        self.facts: dict[str, Any] = json.loads((folder / "case.json").read_text())
        self.answer = (folder / "answer.md").read_bytes().decode("utf-8")
        self.parent = (CORPUS / "parents" / f"{self.facts['parent']}.py").read_text()
        expected = folder / "expected.py"
        self.expected = expected.read_text() if expected.exists() else None

    def read(self, text: str | None = None) -> str | None:
        try:
            return read_answer(
                self.answer if text is None else text,
                parent=self.parent,
                entry=ENTRIES[self.facts["parent"]],
                wanted=Form(self.facts["wanted"]),
                template=self.parent if self.facts["template"] else None,
            ).source
        except AnswerError:
            return None


def meaning(source: str) -> str:
    """The syntax tree without docstrings; comments are not in it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            first = body[0] if body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return ast.dump(tree)


def same(found: str | None, expected: str | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return meaning(found) == meaning(expected)


@pytest.fixture(scope="module")
def corruptions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corruptions", CORPUS / "corruptions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
