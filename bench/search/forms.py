"""Writes an answer in the form that a prompt asks for."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher

from reading import Form, Reading

_SAYING = {
    "numbers": "I changed some constants.",
    "borrowed": "I took a part from another program.",
    "statement": "I changed a step.",
    "broken": "I rewrote a part.",
    "none": "I found nothing to change.",
}

_IDEAS = {
    "tune the constants": "Change the numbers that the program works with, a few at a time.",
    "take parts of other programs": "Take a function or some constants of the same name from another program.",
    "change one step": "Leave out, repeat or alter one statement.",
}


def json_answer(prompt: str, form: Form) -> str:
    """Bare JSON: three ideas that would suit any problem, or an object that says nothing."""
    if form is Form.JSON:
        return "{}\n"
    ideas = [
        {
            "idea": idea,
            "description": description,
            "what_to_optimize": "score",
            "cautions": "Keep the program running.",
            "approach_type": idea.replace(" ", "_"),
        }
        for idea, description in _IDEAS.items()
    ]
    wrapped = re.search(r'JSON object[^\n]*"ideas"', prompt)
    return json.dumps({"ideas": ideas} if wrapped else ideas, indent=2) + "\n"


def answer(reading: Reading, new: str, kind: str) -> str:
    """The answer's text; a short sentence comes first."""
    assert reading.parent is not None
    saying = _SAYING[kind]
    head = [f"SUMMARY: {saying}"] if reading.wants_summary else [saying]
    if reading.wants_paradigm:
        head.append("PARADIGM: other constants")
    parent = reading.parent.source
    if reading.form is Form.WHOLE:
        body = _fence(new, reading.parent.language)
    elif reading.form is Form.DIFF:
        body = edits(parent, new)
    else:
        tag, inner = (
            ("DIFF", edits(parent, new)) if reading.form is Form.TAGGED_DIFF else ("CODE", _fence(new, "python"))
        )
        head = [f"<NAME>\n{kind}\n</NAME>", "", f"<DESCRIPTION>\n{saying}\n</DESCRIPTION>"]
        body = f"<{tag}>\n{inner}\n</{tag}>"
    return "\n".join([*head, "", body]) + "\n"


def _fence(source: str, language: str) -> str:
    return f"```{language}\n{source.rstrip(chr(10))}\n```"


def edits(old: str, new: str) -> str:
    """SEARCH/REPLACE blocks from one program to another; every SEARCH occurs once in the old one, and none overlap."""
    before, after = old.rstrip("\n").split("\n"), new.rstrip("\n").split("\n")
    hunks = [
        list(code[1:])
        for code in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if code[0] != "equal"
    ]
    grown = [_unique(before, hunk) for hunk in hunks]
    merged: list[list[int]] = []
    for hunk in grown:
        if merged and hunk[0] < merged[-1][1]:
            merged[-1] = _unique(
                before, [merged[-1][0], max(merged[-1][1], hunk[1]), merged[-1][2], max(merged[-1][3], hunk[3])]
            )
        else:
            merged.append(hunk)
    blocks = [
        "\n".join(["<<<<<<< SEARCH", *before[a:b], "=======", *after[c:d], ">>>>>>> REPLACE"]) for a, b, c, d in merged
    ]
    return "\n\n".join(blocks) or "No change."


def _unique(lines: list[str], hunk: list[int]) -> list[int]:
    """Widen a change by a line above and below in turn until what it searches for occurs once."""
    a, b, c, d = hunk
    upwards = True
    while a == b or not "".join(lines[a:b]).strip() or _count(lines, a, b) > 1:
        if (upwards and a > 0) or b == len(lines):
            if a == 0:
                break
            a, c = a - 1, c - 1
        else:
            b, d = b + 1, d + 1
        upwards = not upwards
    return [a, b, c, d]


def _count(lines: list[str], start: int, end: int) -> int:
    """How often the text occurs, also inside longer lines, as a plain search would find it."""
    text = "\n".join(lines[start:end])
    whole, found, at = "\n".join(lines), 0, -1
    while (at := whole.find(text, at + 1)) >= 0:
        found += 1
    return found
