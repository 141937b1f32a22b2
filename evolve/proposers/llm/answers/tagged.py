"""Edits between XML-like tags."""

from __future__ import annotations

import re

from evolve.proposers.llm.answers.markers import MOST_EDITS
from evolve.proposers.llm.answers.model import AnswerError, Edit, Found, lines_of

_TAGGED = re.compile(r"<(/?)(search|replace|old_str|new_str|old_string|new_string|find|old|new)>", re.IGNORECASE)
_CDATA = re.compile(r"\s*+<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)


def tagged_edits(text: str) -> Found | None:
    """Read pairs such as <search>...</search><replace>...</replace>; None if there are none.

    Raises:
        AnswerError: there are too many.
    """
    marks = list(_TAGGED.finditer(text))
    edits: list[Edit] = []
    taken: set[int] = set()
    olds = {"search", "old_str", "old_string", "find", "old"}
    number = 0
    while number + 3 < len(marks):
        old_opens, old_closes, new_opens, new_closes = marks[number : number + 4]
        names = [mark[2].lower() for mark in (old_opens, old_closes, new_opens, new_closes)]
        slashes = [bool(mark[1]) for mark in (old_opens, old_closes, new_opens, new_closes)]
        pairs = names[0] == names[1] in olds and names[2] == names[3] not in olds
        if not pairs or slashes != [False, True, False, True]:
            number += 1
            continue
        if len(edits) >= MOST_EDITS:
            raise AnswerError(f"The answer holds more than {MOST_EDITS} edits. Send fewer, larger ones.")
        search = _section(text[old_opens.end() : old_closes.start()])
        replace = _section(text[new_opens.end() : new_closes.start()])
        edits.append(Edit(name=f"edit {len(edits) + 1}", search=search, replace=replace))
        first = text.count("\n", 0, old_opens.start())
        taken.update(range(first, first + text.count("\n", old_opens.start(), new_closes.end()) + 1))
        number += 4
    return Found(edits=tuple(edits), taken=frozenset(taken), tolerated=("tagged edits",)) if edits else None


def _section(text: str) -> tuple[str, ...]:
    wrapped = _CDATA.fullmatch(text)
    text = wrapped[1] if wrapped else text
    return lines_of(text.removeprefix("\n"))
