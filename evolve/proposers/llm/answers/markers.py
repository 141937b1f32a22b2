"""SEARCH/REPLACE blocks between conflict-style markers.

Formats met: AlphaEvolve (arXiv 2506.13131, section 2.3) and OpenEvolve `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`;
Aider the same with a file name before or inside of the fence, and, earlier, ORIGINAL and UPDATED; ShinkaEvolve the
same inside of `<DIFF>`. Aider takes 5 to 9 marker characters; so does this reader, and 3 or more next to a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from evolve.proposers.llm.answers.ending import refuse_cut
from evolve.proposers.llm.answers.model import AnswerError, Edit, Found

MOST_EDITS = 200
_OLD = r"(?:SEARCH|ORIGINAL|HEAD|OLD|FIND|BEFORE)"
_NEW = r"(?:REPLACE(?:MENT)?|UPDATED?|NEW|AFTER)"
# Possessive where two neighbours take the same characters: a line may hold 100,000 blanks.
_REST = r"(?:[ \t]*+[>:<=]{0,9}|[ \t]++(?:BLOCK|CODE|TEXT|SECTION)|[ \t]*+\([^()\n]{0,60}\)|[ \t]++#?\d{1,4}):?[ \t]*+"
_LEAD = r"[ \t]*+(?:#[ \t]*+)?"
_FENCE = re.compile(r"[ \t]*+(?:`{3,}+|~{3,}+)[ \t]*+[\w+.#-]*+[ \t]*+")
_TAG = re.compile(r"[ \t]*+</?(?:DIFFS?|CODE|PATCH|EDITS?|CHANGES?|ANSWER|BLOCK)>[ \t]*+", re.IGNORECASE)
_PROSE = re.compile(r"(?:[>*-]++ |\d+[.)] )?[A-Z*`\"'][\w'`*,]*(?: [\w'`*(),.:/-]+){2,}.*|#{2,} .*|\*\*.*")


class _Kind(Enum):
    OLD_OPENS = auto()
    OLD_CLOSES = auto()
    DIVIDER = auto()
    NEW_OPENS = auto()
    NEW_CLOSES = auto()


_MARKS = (
    (_Kind.OLD_OPENS, re.compile(rf"{_LEAD}<{{3,20}}[ \t]*+{_OLD}(?:{_REST})", re.IGNORECASE)),
    (_Kind.NEW_OPENS, re.compile(rf"{_LEAD}<{{3,20}}[ \t]*+{_NEW}(?:{_REST})", re.IGNORECASE)),
    (_Kind.OLD_CLOSES, re.compile(rf"{_LEAD}>{{3,20}}[ \t]*+{_OLD}(?:{_REST})", re.IGNORECASE)),
    (_Kind.NEW_CLOSES, re.compile(rf"{_LEAD}>{{3,20}}[ \t]*+{_NEW}(?:{_REST})", re.IGNORECASE)),
    (_Kind.DIVIDER, re.compile(rf"[ \t]*+={{5,9}}[ \t]*+(?:{_NEW}[ \t]*+)?", re.IGNORECASE)),
    (_Kind.OLD_OPENS, re.compile(r"[ \t]*+<{5,9}[ \t]*+")),
    (_Kind.NEW_CLOSES, re.compile(r"[ \t]*+>{5,9}[ \t]*+|>{7} [\w./-]{1,60}")),
)
_NAMED = _MARKS[0][1]
_INLINE = re.compile(rf"{_LEAD}<{{5,9}}[ \t]*+{_OLD}[ \t]++(\S.*)")


@dataclass(slots=True)
class _Open:
    """The block being read: its first line in the answer, and what it holds so far."""

    start: int
    search: list[str] = field(default_factory=list)
    replace: list[str] | None = None


class _Reader:
    """Reads marker by marker; puts up with doubled ones, and with missing ones where the meaning is clear."""

    def __init__(self, lines: Sequence[str], parent_lines: Sequence[str]) -> None:
        self.lines = lines
        self.parent_lines = [line.rstrip() for line in parent_lines]
        self.edits: list[Edit] = []
        self.taken: set[int] = set()
        self.tolerated: list[str] = []
        self.open: _Open | None = None
        self.fence: int | None = None
        self.redivisions = 0
        self.free = 0  # first line that belongs to no block yet
        self.stray = -1  # last divider outside of any block

    def read(self) -> Found:
        kinds = [_kind(line) for line in self.lines]
        ends = [number for number, kind in enumerate(kinds) if kind is _Kind.NEW_CLOSES]
        upcoming = 0
        for number, (line, kind) in enumerate(zip(self.lines, kinds, strict=True)):
            while upcoming < len(ends) and ends[upcoming] < number:
                upcoming += 1
            if kind is None:
                self._text(number, line)
            elif self.open is None:
                closes = upcoming < len(ends) and kind is _Kind.DIVIDER
                self._opens(number, kind, closes=closes)
            else:
                self._within(number, line, kind)
        if self.open is not None:
            self._unclosed(len(self.lines))
        return Found(
            edits=tuple(self.edits),
            taken=frozenset(self.taken),
            tolerated=tuple(self.tolerated),
            closed="missing marker" not in self.tolerated,
        )

    def _text(self, number: int, line: str) -> None:
        if self.open is None:
            if _FENCE.fullmatch(line):
                self.fence = number if self.fence is None else None
            inline = _INLINE.fullmatch(line)
            if inline:
                self.open = _Open(start=number, search=[inline[1]])
                self._tolerate("text beside a marker")
        elif self.open.replace is None:
            self.open.search.append(line)
        else:
            self.open.replace.append(line)

    def _opens(self, number: int, kind: _Kind, *, closes: bool) -> None:
        """Take a marker outside of any block."""
        if kind is _Kind.OLD_OPENS:
            self.open = _Open(start=number)
            self.stray = -1
        elif kind is _Kind.DIVIDER and closes and self.fence is not None:
            start = max(self.fence + 1, self.free)
            search = list(self.lines[start:number])
            if any(line.strip() for line in search):
                self.open = _Open(start=start, search=search, replace=[])
                self._tolerate("missing marker")
        elif kind is _Kind.DIVIDER:
            self.stray = number
        elif kind is _Kind.NEW_CLOSES and self.stray >= self.free:
            raise AnswerError(
                f"Edit {len(self.edits) + 1} has no <<<<<<< SEARCH line before its old lines; nothing was applied."
            )
        else:
            self.taken.add(number)
            self._tolerate("doubled marker")

    def _within(self, number: int, line: str, kind: _Kind) -> None:
        """Take a marker inside of a block."""
        block = self.open
        assert block is not None
        blank = not any(text.strip() for text in (block.search if block.replace is None else block.replace))
        if kind is _Kind.OLD_OPENS:
            if block.replace is None and blank:
                block.search.clear()
                self._tolerate("doubled marker")
                return
            self._unclosed(number)
            self.open = _Open(start=number)
        elif block.replace is None:
            if kind is _Kind.NEW_CLOSES:
                self._undivided(number)
            else:
                block.replace = []
                if kind is not _Kind.DIVIDER:
                    self._tolerate("wrong marker")
        elif kind is _Kind.NEW_CLOSES:
            self._close(number + 1)
        elif blank:
            block.replace = []
            self._tolerate("doubled marker")
        elif kind is _Kind.DIVIDER:
            # A line of equal signs can be part of a program's text; the parent says which one divides.
            if not self._redivided(block, number):
                block.replace.append(line)
        else:
            self._close(number + 1)
            self._tolerate("wrong marker")

    def _redivided(self, block: _Open, number: int) -> bool:
        """Take all lines so far as the old ones, if the parent holds them, a line of equal signs among them."""
        assert block.replace is not None
        length = len(block.search) + 1 + len(block.replace)
        self.redivisions += 1
        if length > len(self.parent_lines) or self.redivisions > MOST_EDITS:
            return False
        whole = [*block.search, self.lines[number - len(block.replace) - 1], *block.replace]
        if _run_in(self.parent_lines, whole) < length:
            return False
        block.search, block.replace = whole, []
        return True

    def _close(self, end: int) -> None:
        block = self.open
        assert block is not None
        if len(self.edits) >= MOST_EDITS:
            raise AnswerError(f"The answer holds more than {MOST_EDITS} edits. Send fewer, larger ones.")
        search, replace = _unfenced(block.search), _unfenced(block.replace or [])
        if len(search) != len(block.search) or len(replace) != len(block.replace or []):
            self._tolerate("fences inside of an edit")
        name = f"edit {len(self.edits) + 1}"
        self.edits.append(Edit(name=name, search=tuple(search), replace=tuple(replace)))
        self.taken.update(range(block.start, end))
        self.open, self.free = None, end

    def _unclosed(self, number: int) -> None:
        """End a block whose last marker is missing: at its fence, tag, prose, or where the next one begins."""
        block = self.open
        assert block is not None
        if block.replace is None:
            cut = " The answer seems to be cut off." if number == len(self.lines) else ""
            raise AnswerError(
                f"Edit {len(self.edits) + 1} has no ======= line and no >>>>>>> REPLACE line; nothing was applied. "
                f"Write each edit as <<<<<<< SEARCH, the old lines, =======, the new lines, >>>>>>> REPLACE.{cut}"
            )
        first = number - len(block.replace)
        if number == len(self.lines) and not any(_ends(line) for line in block.replace):
            refuse_cut(f"edit {len(self.edits) + 1}, which has no >>>>>>> REPLACE line")
        end = next((at for at, line in enumerate(block.replace) if _ends(line)), len(block.replace))
        while end and not block.replace[end - 1].strip():
            end -= 1
        block.replace = block.replace[:end]
        self.fence = None
        self._tolerate("missing marker")
        self._close(first + end)

    def _undivided(self, number: int) -> None:
        """Divide a block without divider: its first lines are the longest run that the parent holds."""
        block = self.open
        assert block is not None
        text = _unfenced(block.search)
        length = _run_in(self.parent_lines, text)
        if not 0 < length < len(text):
            raise AnswerError(
                f"Edit {len(self.edits) + 1} has no ======= line between the old and the new lines; "
                "nothing was applied."
            )
        block.search, block.replace = text[:length], text[length:]
        self._tolerate("missing marker")
        self._close(number + 1)

    def _tolerate(self, name: str) -> None:
        if name not in self.tolerated:
            self.tolerated.append(name)


def marked_edits(lines: Sequence[str], parent_lines: Sequence[str]) -> Found | None:
    """Read the SEARCH/REPLACE blocks of an answer; None if it has none.

    Raises:
        AnswerError: a block lacks a marker, and what was meant is not clear.
    """
    kinds = {_kind(line) for line in lines}
    opened = _Kind.OLD_OPENS in kinds or any(_INLINE.fullmatch(line) for line in lines)
    if not (opened and kinds & {_Kind.DIVIDER, _Kind.NEW_CLOSES, _Kind.NEW_OPENS, _Kind.OLD_CLOSES}) and not (
        _Kind.DIVIDER in kinds and _Kind.NEW_CLOSES in kinds
    ):
        if any(_NAMED.fullmatch(line) for line in lines) and not any(_FENCE.fullmatch(line) for line in lines):
            refuse_cut("edit 1, which has no ======= line")
        return None
    found = _Reader(lines, parent_lines).read()
    return found if found.edits else None


def _kind(line: str) -> _Kind | None:
    line = line.strip(" \t")
    text = line.lstrip(" \t#")
    if not text or text[0] not in "<=>" or len(line) > 200:
        return None
    return next((kind for kind, pattern in _MARKS if pattern.fullmatch(line)), None)


def _ends(line: str) -> bool:
    return bool(_FENCE.fullmatch(line) or _TAG.fullmatch(line) or _PROSE.fullmatch(line))


def _run_in(texts: Sequence[str], part: Sequence[str]) -> int:
    """Count how many of some lines occur in a row among others, from their first one on, at best."""
    wanted = [line.rstrip() for line in part[: len(texts)]]
    best = 0
    for start, text in enumerate(texts):
        if not wanted or text != wanted[0]:
            continue
        length = 1
        while length < len(wanted) and start + length < len(texts) and texts[start + length] == wanted[length]:
            length += 1
        best = max(best, length)
    return best


def _unfenced(section: Sequence[str]) -> list[str]:
    """Take off fences and tags that wrap one half of an edit."""
    filled = [number for number, line in enumerate(section) if line.strip()]
    first, last = 0, len(filled) - 1
    while first < last and _wraps(section[filled[first]], section[filled[last]]):
        first, last = first + 1, last - 1
    return list(section[filled[first - 1] + 1 : filled[last + 1]] if first else section)


def _wraps(first: str, last: str) -> bool:
    pattern = _FENCE if _FENCE.fullmatch(first) else _TAG
    return bool(pattern.fullmatch(first) and pattern.fullmatch(last))
