"""Whatever the text is, reading gives a program that parses or an `AnswerError`, and does not take forever."""

from __future__ import annotations

import ast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.proposers.llm.answers import AnswerError, Form, read_answer

PARENT = '''import numpy as np

DECAY = 0.9


def pack(load):
    """Greedy."""
    order = np.argsort(-load)
    return order


# EVOLVE-BLOCK-START
def plan(history, num_slots):
    load = history[-1] * DECAY
    return pack(load)
# EVOLVE-BLOCK-END
'''
PARTS = [
    "<<<<<<< SEARCH\n",
    "=======\n",
    ">>>>>>> REPLACE\n",
    "<<<<<<< REPLACE\n",
    ">>>>>>> SEARCH\n",
    "```python\n",
    "```\n",
    "~~~",
    "    ```\n",
    "<think>\n",
    "</think>\n",
    "<|channel|>final<|message|>",
    "&lt;",
    "<DIFF>\n",
    "</CODE>\n",
    "--- a\n+++ b\n",
    "@@ -1,2 +1,3 @@\n",
    "@@\n",
    "+    x = 1\n",
    "-DECAY = 0.9\n",
    "*** Begin Patch\n",
    "*** Update File: a\n",
    "*** End Patch\n",
    '{"edits": [',
    '{"search": "DECAY = 0.9", "replace": "DECAY = 0.8"}',
    "]}",
    '{"code": "',
    '"}',
    "<search>",
    "</search>",
    "<replace>",
    "</replace>",
    "SUMMARY: it\n",
    "PARADIGM: x\n",
    "# ... rest unchanged ...\n",
    "    # ... existing code ...\n",
    "    ...\n",
    "...\n",
    ">>> ",
    "  3 | ",
    "1: ",
    "\t",
    "\r\n",
    "\0",
    "\ud800",
    "\u00a0",
    "“",
    "’",
    '"""',
    "'''",
    "(",
    "):\n",
    "\\n",
    "def ",
    "def plan(history, num_slots):\n",
    "    return 3\n",
    "import math\n",
    "DECAY = 0.9\n",
    "DECAY = 0.8\n",
    "x: int\n",
    "from x import *\n",
    "class A:\n    pass\n",
    "@d\n",
    "lambda",
    "Here is the code:\n",
    "\n\n",
    PARENT,
    PARENT.replace("0.9", "0.8"),
    "    load = history[-1] * DECAY\n",
    "    return pack(load)\n",
    "# EVOLVE-BLOCK-START\n",
    "# EVOLVE-BLOCK-END\n",
    *PARENT.splitlines(keepends=True),
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=8)), max_size=30),
    wanted=st.sampled_from(Form),
    parent=st.sampled_from([PARENT, PARENT.replace("0.9", "(0.9"), "", "\0\ud800"]),
    template=st.sampled_from([None, PARENT, "# EVOLVE-BLOCK-END\n"]),
)
def test_only_answer_errors_leave(parts: list[str], wanted: Form, parent: str, template: str | None) -> None:
    try:
        answer = read_answer("".join(parts), parent=parent, entry="plan", wanted=wanted, template=template)
    except AnswerError as error:
        answer, reason = None, str(error)
    if answer is None:
        assert 0 < len(reason) <= 1_500
        return
    tree = ast.parse(answer.source)
    assert any(isinstance(node, ast.FunctionDef) and node.name == "plan" for node in tree.body)
    assert answer.source.strip() != parent.strip()
    assert len(answer.summary) <= 200
    assert "\n" not in answer.summary + answer.paradigm


GIANTS = {
    "markers": "<<<<<<< SEARCH\n",
    "edits": "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n",
    "dividers": "=======\n",
    "fences": "```python\n",
    "broken code": "def plan(x:\n",
    "code": "def f(x):\n    return x\n",
    "backticks": "`",
    "brackets": "(",
    "thoughts": "<think>\n",
    "quotes": "'\"\"\"\n'''",
    "JSON": '{"a":',
    "hunks": "@@\n-a\n+b\n",
    "words": "word ",
    "NULs": "\0",
    "surrogates": "\ud800",
    "entities": "&lt;",
    "typographic quotes": "“”‘",
    "decorators": "@x\n",
    "gaps": "...\n",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", GIANTS.values(), ids=GIANTS.keys())
def test_giant_answers_are_bounded(piece: str) -> None:
    text = piece * (500_000 // len(piece))
    try:
        answer = read_answer(text, parent=PARENT, entry="plan", wanted=Form.EDIT, template=PARENT)
    except AnswerError:
        return
    assert "giant answer" in answer.tolerated


@pytest.mark.parametrize(
    "expression",
    ["-" * 50_000 + "1", "1" + "+1" * 20_000, "x" + ".a" * 20_000, "[" * 3_000 + "]" * 3_000],
    ids=["signs", "sums", "attributes", "brackets"],
)
def test_deep_nesting_is_an_answer_error_or_a_program(expression: str) -> None:
    text = f"```python\ndef plan(x):\n    return {expression}\n```"
    try:
        found = read_answer(text, parent=PARENT, entry="plan", wanted=Form.WHOLE).source
    except AnswerError as error:
        found = str(error)
    assert "nested" in found or "parse" in found or found.startswith("def plan")
