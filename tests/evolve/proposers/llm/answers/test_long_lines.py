"""Time to read an answer grows with its length, whatever is repeated in it and wherever that stands."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from evolve.proposers.llm.answers import AnswerError, Form, read_answer

PARENT = '''import numpy as np

DECAY = 0.9


def plan(history, num_slots):
    """Plan."""
    load = history[-1] * DECAY
    return load
'''
LENGTH = 60_000  # characters; what grows with the square takes 5 s to minutes at this length
SECONDS = 3.0  # CPU time; linear work takes a tenth
BLANKS = {"blanks": " ", "tabs": "\t", "no-break spaces": "\u00a0", "entities": "&nbsp;"}
WITHIN = "<<<<<<< SEARCH\n{}\n=======\nDECAY = 0.8\n>>>>>>> REPLACE\n"
PLACES = {
    "alone": "•",
    "before a word": "Here is the program:\n•x",
    "after a word": "Here is•\nthe program",
    "between words": "Here is•the program",
    "after a quote sign": ">•x",
    "after a list sign": "-•x",
    "after a number": "1.•x",
    "after a colon": "Note:•",
    "before a colon": "SUMMARY•x",
    "after a label": "SUMMARY:•",
    "in an annotation": "x:•y",
    "in an assignment": "x•y = 3",
    "in a definition": "def plan•x",
    "before a fence": "•```python\nx = 1\n```",
    "after an opening fence": "```•!\nx = 1\n```",
    "before a backtick": "```•`\nx = 1\n```",
    "after a closing fence": "```python\nx = 1\n```•x",
    "in an open fence": "```python\nimport numpy\n•",
    "in an open fence before a word": "```python\nimport numpy\n•x",
    "at a line end in an open fence": "```python\nimport numpy•x",
    "as indentation": f"```python\n{PARENT.replace('    load', '•load')}```",
    "at a line end of a program": f"```python\n{PARENT.replace('DECAY = 0.9', 'DECAY = 0.8•')}```",
    "within a line of a program": f"```python\n{PARENT.replace('DECAY = 0.9', 'DECAY =•0.8')}```",
    "after a comment sign": f"```python\n#•x\n{PARENT}```",
    "after the language": "```\npython•x\n```",
    "after an elision": f"```python\n{PARENT}# ... rest unchanged ...•x\n```",
    "in SEARCH": WITHIN.format("•"),
    "in SEARCH before a word": WITHIN.format("•x"),
    "at a line end of SEARCH": WITHIN.format("DECAY = 0.9•"),
    "between words of SEARCH": WITHIN.format("DECAY =•0.9"),
    "after the first marker": WITHIN.replace("SEARCH", "SEARCH•x").format("DECAY = 0.9"),
    "before the first marker": "#•" + WITHIN.format("DECAY = 0.9"),
    "within the first marker": WITHIN.replace("< SEARCH", "<•SEARCH•x").format("DECAY = 0.9"),
    "after the divider": WITHIN.replace("=======", "=======•x").format("DECAY = 0.9"),
    "after the last marker": WITHIN.replace("REPLACE", "REPLACE•x").format("DECAY = 0.9"),
    "in REPLACE": WITHIN.replace("0.8", "0.8\n•x").format("DECAY = 0.9"),
    "between edits": f"{WITHIN}•x\n{WITHIN}".format("DECAY = 0.9", "    return load"),
    "open edit": "<<<<<<< SEARCH\nDECAY = 0.9\n=======\nDECAY = 0.8\n•x",
    "after a hunk sign": "@@ •x\n-DECAY = 0.9\n+DECAY = 0.8\n",
    "in a hunk": "```diff\n--- a\n+++ b\n-DECAY = 0.9\n+DECAY = 0.8\n •x\n```",
    "in a patch": "*** Begin Patch\n*** Update File: a•x\n-DECAY = 0.9\n+DECAY = 0.8\n*** End Patch•x",
    "before JSON": '•{"search": "DECAY = 0.9", "replace": "DECAY = 0.8"}x',
    "in JSON": '{"search":•"DECAY = 0.9", "replace": "DECAY = 0.8"}•x',
    "in JSON text": '{"code": "```•x\\nNote:•\\n>•x"}',
    "in tags": "<search>•x</search>•<replace>•y</replace>•x",
    "in data": "<search><![CDATA[x]]>•x</search><replace>•<![CDATA[x]]>•]]></replace>",
    "after reasoning": "<think>•</think>•x\n",
    "after a channel": "<|channel|>•final<|message|>•assistant•x",
    "before a line number": f"```\n1•|•x\n2 | y\n•3\n{PARENT}```",
}
REPEATED = {
    "rule": "-",
    "signs": "#>*_-",
    "spaced signs": "- ",
    "backticks": "`",
    "tildes": "~",
    "escaped quotes": '\\"',
    "digits": "1",
    "dots": ".",
    "equal signs": "=",
    "angles": "<",
    "brackets": "(",
    "colons": ": ",
    "letters": "a",
    "capitals": "A ",
    "words": "a.b, ",
}
DECAY = WITHIN.format("DECAY = 0.9")
FRAMES = {
    "before a word": "•x",
    "between words": "x•!",
    "open fence": "```python\nimport numpy\n•x",
    "before a backtick": "•`",
    "entity": "'•x &lt; 3",
    "before an edit": f"•x\n{DECAY}",
    "after an edit": f"{DECAY}•x\n",
    "inside of an edit": DECAY.replace("0.8", "0.8  # •"),
}
LINES = {
    "openings": ("{}", "<<<<<<< SEARCH\n"),
    "openings and blank lines": ("{}", "<<<<<<< SEARCH\n\n"),
    "fences in SEARCH": (WITHIN, "```\n"),
    "gaps in SEARCH": (WITHIN.replace("\nDECAY = 0.8\n", "\n...\nx = 1\n"), "DECAY = 0.9\n...\n"),
    "gaps in both halves": (WITHIN.replace("DECAY = 0.8", "x = 1\n...\n" * 7_501), "DECAY = 0.9\n...\n"),
    "different lines in SEARCH": (WITHIN.replace("DECAY", "    load = history[-1] * decay\nDECAY"), "x = 1\n"),
    "hunks without lines": ("{}+x = 1\n", "@@ a\n"),
    "patches": ("*** Begin Patch\n+x\n{}", "*** End Patch\n*** Update File: a\n"),
    "lists": ("{}1]", "[1,\n"),
    "texts": ('{}"', '["a\n'),
    "lists before numbers": ("[\n" * 900 + "{}", "1,"),
    "blank lines": ("x\n{}x", "\n"),
    "short blank lines": ("```python\nimport numpy\n{}x", " \n"),
    "blank lines before an edit": ("{}" + DECAY, "\n"),
    "fenced blank lines": ("{}", "```\n\n```\n"),
}


def seconds(text: str, *, cut: bool = False) -> float:
    """CPU time of this thread for one answer."""
    before = time.thread_time()
    with suppress(AnswerError):
        read_answer(text, parent=PARENT, entry="plan", wanted=Form.EDIT, cut=cut)
    return time.thread_time() - before


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS.keys())
def test_a_run_of_blanks_costs_little(blank: str, place: str) -> None:
    text = place.replace("•", blank * (LENGTH // (len(blank) * place.count("•"))))
    assert seconds(text) < SECONDS
    assert seconds(text, cut=True) < SECONDS


@pytest.mark.timeout(120)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("piece", REPEATED.values(), ids=REPEATED.keys())
def test_a_run_of_signs_costs_little(piece: str, frame: str) -> None:
    text = frame.replace("•", piece * (LENGTH // len(piece)))
    assert seconds(text) < SECONDS
    assert seconds(text, cut=True) < SECONDS


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("frame", "piece"), LINES.values(), ids=LINES.keys())
def test_many_lines_cost_little(frame: str, piece: str) -> None:
    assert seconds(frame.format(piece * (2 * LENGTH // len(piece)))) < SECONDS


@pytest.mark.parametrize("rule", ["-" * 60, "# " + "-" * 60, "*" * 60, "> " * 40, "_-" * 30])
def test_a_rule_beside_an_edit_is_read_at_once(rule: str) -> None:
    text = f"{rule}\n{DECAY}{rule}\nSUMMARY: slower decay\n"
    assert seconds(text) < SECONDS
    assert read_answer(text, parent=PARENT, entry="plan", wanted=Form.EDIT).summary == "slower decay"
