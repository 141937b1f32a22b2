"""Unified diffs and apply_patch texts, read as edits: context and removed lines are what to find.

Line numbers are only hints: models count badly. Formats met: `diff -u` and git (`---`, `+++`,
`@@ -a,b +c,d @@ section`), Aider's udiff (`@@ ... @@` without numbers), OpenAI's apply_patch
(`*** Begin Patch`, `*** Update File`, `@@ anchor`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from evolve.proposers.llm.answers.ending import refuse_cut
from evolve.proposers.llm.answers.markers import MOST_EDITS
from evolve.proposers.llm.answers.model import AnswerError, Block, Edit, Found

_HUNK = re.compile(r"@@(?:[ \t]*+-(\d{1,7})(?:,\d{1,7})?[ \t]++\+\d{1,7}(?:,(\d{1,7}))?)?(.*)")
_NUMBERS = re.compile(r"@@[ \t]*[-+]?\d")
_PATCH = re.compile(r"\*\*\* (?:Begin Patch|Update File:.*|Add File:.*)")
_PATCH_LINE = re.compile(r"\*\*\* (?:(?:Begin|End) Patch|(?:Update|Add|Delete) File:.*|Move to:.*|End of File)\s*")
_HEADER = re.compile(
    r"(?:diff --git .*|index [0-9a-f]+\.\..*|(?:---|\+\+\+) \S.*|(?:old|new|deleted) (?:file )?mode .*)"
)
# Possessive where two neighbours take the same characters: a line may hold 100,000 blanks.
_FENCE = re.compile(r"[ \t]*+(?:`{3,}+|~{3,}+)[ \t]*+[\w+.-]*+[ \t]*+")
_DIFF_INFO = re.compile(r"(?:diff|patch|udiff|unified)\b.*")
_MOST_ANCHORS = 10  # in a row
_RULE = re.compile(r"-{3,}[ \t]*")
_GAP = re.compile(r"[ \t]*+(?:\.{3}|…)[ \t]*+")


@dataclass(slots=True)
class _Hunk:
    """Signed lines as they are met; `length` is how many new lines the header announces."""

    line: int | None
    anchors: tuple[str, ...]
    length: int | None = None
    rows: list[tuple[str, str]] = field(default_factory=list)


def diff_edits(lines: Sequence[str], blocks: Sequence[Block], parent_lines: Sequence[str]) -> Found | None:
    """Read the hunks of an answer; None if it holds none.

    Raises:
        AnswerError: there are too many, or one only adds lines and does not say where.
    """
    stripped = [line.strip() if line.lstrip().startswith(("@@", "***")) else line for line in lines]
    tolerated: list[str] = []
    is_patch = any(_PATCH.fullmatch(line) for line in stripped)
    spans = _spans(stripped, blocks, is_patch=is_patch)
    if not spans:
        return None
    known = {line.rstrip() for line in parent_lines}
    hunks: list[_Hunk] = []
    taken: set[int] = set()
    for start, end in spans:
        taken.update(range(start, end))
        hunks += _hunks(stripped[start:end], known)
    closed = _is_closed(stripped, spans[-1][1])
    if not closed:
        _refuse_cut(stripped, hunks, is_patch=is_patch, fenced=any(block.end == spans[-1][1] for block in blocks))
    edits: list[Edit] = []
    for hunk in hunks:
        edit = _edit(hunk, f"hunk {len(edits) + 1}", known, tolerated)
        if edit is not None:
            edits.append(edit)
        if len(edits) > MOST_EDITS:
            raise AnswerError(f"The answer holds more than {MOST_EDITS} hunks. Send fewer, larger ones.")
    if not edits:
        return None
    return Found(edits=tuple(edits), taken=frozenset(taken), tolerated=(_name(is_patch), *tolerated), closed=closed)


def _name(is_patch: bool) -> str:
    return "apply_patch" if is_patch else "unified diff"


def _spans(lines: Sequence[str], blocks: Sequence[Block], *, is_patch: bool) -> list[tuple[int, int]]:
    """Find the stretches of the answer that hold hunks: fenced ones, else from the first header on."""
    spans = [
        (block.start + 1, block.end - block.closed)
        for block in blocks
        if _is_diff(block.code.split("\n"), named=bool(_DIFF_INFO.fullmatch(block.info)))
    ]
    if spans:
        return spans
    first = next((n for n, line in enumerate(lines) if _begins(lines, n, line, is_patch=is_patch)), None)
    if first is None or not any(line[:1] in {"+", "-"} and not _HEADER.fullmatch(line) for line in lines[first:]):
        return []
    if not is_patch:
        return [(first, len(lines))]
    ends = [n for n in range(first, len(lines)) if lines[n].startswith("*** End Patch")]
    begins = [n for n in range(first, len(lines)) if _PATCH.fullmatch(lines[n])]
    starts = [first, *(begins[at] for end in ends if (at := bisect_right(begins, end)) < len(begins))]
    return list(zip(starts, [*ends, len(lines)][: len(starts)], strict=True))


def _is_closed(lines: Sequence[str], end: int) -> bool:
    """Say whether more than blank lines comes after the last hunk, or a row of it that is not signed."""
    last = max((number for number, line in enumerate(lines) if line.strip()), default=0)
    return last >= end or lines[last].startswith("*** End") or lines[last][:1] not in {"+", "-", "@", " ", "\t"}


def _refuse_cut(lines: Sequence[str], hunks: Sequence[_Hunk], *, is_patch: bool, fenced: bool) -> None:
    """Refuse hunks that run to the end of the answer, where a line that closes them is due.

    Raises:
        AnswerError: they do, and the last one lacks what its header or its removed lines announce.
    """
    begun = max((n for n, line in enumerate(lines) if line.startswith("*** Begin Patch")), default=-1)
    if is_patch and begun >= 0:
        refuse_cut("the patch, which has no *** End Patch line")
    rows = [(sign, text) for sign, text in hunks[-1].rows if sign or text.strip()] if hunks else []
    if not fenced or not rows:
        return
    announced = hunks[-1].length
    if rows[-1][0] == "-" or (announced is not None and sum(sign != "-" for sign, _ in rows) < announced):
        refuse_cut(f"hunk {len(hunks)}, whose fence is not closed")


def _begins(lines: Sequence[str], number: int, line: str, *, is_patch: bool) -> bool:
    if is_patch:
        return bool(_PATCH.fullmatch(line))
    if line.startswith("--- ") and number + 1 < len(lines) and lines[number + 1].startswith("+++ "):
        return True
    return line.startswith("@@") and (bool(_NUMBERS.match(line)) or line.rstrip() in {"@@", "@@ ... @@"})


def _is_diff(lines: Sequence[str], *, named: bool) -> bool:
    """Say whether a fenced block is a diff: by its hunk headers, or by its name and signs."""
    signed = sum(line[:1] in {"+", "-"} for line in lines)
    headed = any(line.lstrip().startswith("@@") or _PATCH.fullmatch(line.strip()) for line in lines)
    headed = headed or any(line.startswith("--- ") and after.startswith("+++ ") for line, after in pairwise(lines))
    return signed > 0 and (named or headed)


def _hunks(lines: Sequence[str], known: Collection[str]) -> list[_Hunk]:
    """Split signed lines into hunks; `known` are the parent's lines."""
    hunks: list[_Hunk] = []
    anchors: list[str] = []
    current: _Hunk | None = None
    for number, line in enumerate(lines):
        if line.startswith("@@"):
            match = _HUNK.fullmatch(line)
            assert match is not None
            anchor = match[3].replace("@@", " ").strip()
            # Several anchors in a row lead from a class to its method.
            anchors = [*anchors, anchor] if current is not None and not current.rows else [anchor]
            anchors = [text for text in anchors if text and not _GAP.fullmatch(text)][-_MOST_ANCHORS:]
            current = _Hunk(
                line=int(match[1]) if match[1] else None,
                anchors=tuple(anchors),
                length=int(match[2]) if match[2] else None,
            )
            hunks.append(current)
        elif _PATCH_LINE.fullmatch(line) or _is_header(lines, number):
            current, anchors = None, []
        elif _FENCE.fullmatch(line):
            if current is not None and current.rows:
                break
        elif _GAP.fullmatch(line) or (_RULE.fullmatch(line) and line[1:] not in known):
            current = None
        else:
            if current is None:
                current = _Hunk(line=None, anchors=())
                hunks.append(current)
            current.rows.append((line[:1], line[1:]) if line[:1] in {"+", "-", " "} else ("", line))
    return hunks


def _is_header(lines: Sequence[str], number: int) -> bool:
    line = lines[number]
    if not _HEADER.fullmatch(line):
        return False
    if line.startswith("--- "):
        return number + 1 < len(lines) and lines[number + 1].startswith("+++ ")
    if line.startswith("+++ "):
        return number > 0 and lines[number - 1].startswith("--- ")
    return True


def _edit(hunk: _Hunk, name: str, known: set[str], tolerated: list[str]) -> Edit | None:
    """Make an edit of a hunk; None if it changes nothing."""
    rows = _prose_cut(hunk.rows, known)
    while rows and not (rows[-1][0] + rows[-1][1]).strip():
        rows.pop()
    if not any(sign in {"+", "-"} for sign, _ in rows):
        return None
    context = [text for sign, text in rows if sign == " " and text.strip()]
    spaced = sum(f" {text}".rstrip() in known for text in context)
    plain = sum(text.rstrip() in known for text in context)
    if spaced > plain:
        rows = [(sign, f" {text}" if sign == " " else text) for sign, text in rows]
    if (spaced > plain or any(not sign and text.strip() for sign, text in rows)) and _MISSING not in tolerated:
        tolerated.append(_MISSING)
    search = tuple(text for sign, text in rows if sign != "+")
    replace = tuple(text for sign, text in rows if sign != "-")
    if not any(line.strip() for line in search):
        search = ()
    return Edit(name=name, search=search, replace=replace, line=hunk.line, anchors=hunk.anchors)


_MISSING = "diff without context column"


def _prose_cut(rows: Sequence[tuple[str, str]], known: set[str]) -> list[tuple[str, str]]:
    """End a hunk where text without sign begins that the parent does not hold: prose after the diff."""
    signed = [number for number, (sign, _) in enumerate(rows) if sign in {"+", "-"}]
    if not signed:
        return list(rows)
    for number in range(signed[-1] + 1, len(rows)):
        sign, text = rows[number]
        if not sign and text.strip() and text.rstrip() not in known:
            return list(rows[:number])
    return list(rows)
