"""Finding the text of an edit in the program, from exact to nearly the same.

Every stage but the first compares lines by less than their full text; where a replacement repeats a line of
its SEARCH text, the program's own line is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from evolve.proposers.llm.answers.characters import unfancied
from evolve.proposers.llm.answers.nearest import closest_windows

FUZZY_THRESHOLD = 0.9
FUZZY_MARGIN = 0.05
MOST_PLACES = 20
_MOST_PAIRS = 4_000_000
_MOST_STEPS = 20_000_000  # of difflib: equal pairs of lines, looked at again for each run of equal lines
_COMMENT = re.compile(r"\s*+#.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Lines of the program from `start` up to `end`, counted from 0, and what is to stand there instead."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where an edit's text was found, and by which tolerance (empty if it was there to the letter)."""

    places: tuple[Place, ...]
    tolerance: str


Key = Callable[[str], str]


def locate(lines: Sequence[str], search: Sequence[str], replace: Sequence[str], *, fuzzy: bool = True) -> Located:
    """Find a text by the strictest stage that finds it at all; no places if none does.

    Args:
        lines: the program.
        search: the lines to find, at least one not blank.
        replace: the lines to put there.
        fuzzy: whether texts that are only similar count.
    """
    exact = _windows(lines, search, str)
    if exact:
        return Located(places=tuple(_place(start, len(search), replace) for start in exact), tolerance="")
    for name, key, skip in _STAGES:
        aligned = _aligned(lines, search, key, skip)
        places = [place for found in aligned if (place := _merged(lines, search, replace, found)) is not None]
        if places:
            return Located(places=tuple(places), tolerance=name)
    inside = _inside(lines, search, replace)
    if inside:
        return Located(places=inside, tolerance="part of a line")
    return _fuzzy(lines, search, replace) if fuzzy else Located(places=(), tolerance="")


def _place(start: int, length: int, replace: Sequence[str]) -> Place:
    return Place(start=start, end=start + length, lines=tuple(replace))


def _windows(texts: Sequence[str], wanted: Sequence[str], key: Key) -> list[int]:
    """Find where some lines occur in a row."""
    if len(wanted) > len(texts):
        return []
    have, want = [key(text) for text in texts], [key(text) for text in wanted]
    starts = []
    for start in range(len(have) - len(want) + 1):
        if have[start] == want[0] and have[start : start + len(want)] == want:
            starts.append(start)
            if len(starts) > MOST_PLACES:
                break
    return starts


def _nothing_skipped(_line: str) -> bool:
    return False


def _blank(line: str) -> bool:
    return not line.strip()


def _blank_or_comment(line: str) -> bool:
    return not line.strip() or _COMMENT.fullmatch(line) is not None


def _plain(line: str) -> str:
    return unfancied(line).rstrip()


def _stripped(line: str) -> str:
    return unfancied(line).strip()


_STAGES: tuple[tuple[str, Key, Callable[[str], bool]], ...] = (
    ("trailing white space", str.rstrip, _nothing_skipped),
    ("typographic characters", _plain, _nothing_skipped),
    ("indentation", _stripped, _nothing_skipped),
    ("blank lines", _stripped, _blank),
    ("comment lines", _stripped, _blank_or_comment),
)


def _aligned(
    lines: Sequence[str], search: Sequence[str], key: Key, skip: Callable[[str], bool]
) -> list[dict[int, int]]:
    """Find occurrences, each as a map from lines of the search text to lines of the program."""
    have = [number for number, line in enumerate(lines) if not skip(line)]
    want = [number for number, line in enumerate(search) if not skip(line)]
    if not want or not any(search[number].strip() for number in want):
        return []
    starts = _windows([lines[number] for number in have], [search[number] for number in want], key)
    return [{number: have[start + at] for at, number in enumerate(want)} for start in starts]


def _merged(lines: Sequence[str], search: Sequence[str], replace: Sequence[str], found: dict[int, int]) -> Place | None:
    """Write the replacement with the program's indentation and the program's own lines where it repeats them."""
    indents = _Indents([(search[a], lines[b]) for a, b in found.items() if search[a].strip()])
    if not indents.consistent:
        return None
    start, end = min(found.values()), max(found.values()) + 1
    edges = len(found) < len(search)
    old = list(search)
    new = list(replace)
    if edges:
        # Blank lines around both halves of an edit are layout of the answer, not of the program.
        while new and not new[0].strip() and not old[0].strip():
            new.pop(0)
        while new and not new[-1].strip() and not old[-1].strip():
            new.pop()
    if _is_too_much(old, new):
        return Place(start=start, end=end, lines=tuple(indents.shifted(line) for line in new))
    written: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal" and any(number in found for number in range(a, b)):
            written += lines[slice(*_kept(found, a, b))]
        else:
            written += [indents.shifted(line) for line in new[c:d]]
    return Place(start=start, end=end, lines=tuple(written))


def _is_too_much(old: Sequence[str], new: Sequence[str]) -> bool:
    """Say whether comparing two texts line by line may take seconds: both are long, or repeat a line too often."""
    counts = Counter(old)
    equal = sum(counts[line] for line in new)
    return len(old) * len(new) > _MOST_PAIRS or equal * min(len(old), len(new)) > _MOST_STEPS


def _kept(found: dict[int, int], first: int, last: int) -> tuple[int, int]:
    """Find the program's lines for a run of lines of the search text, with what was skipped at its ends."""
    inside = [found[number] for number in range(first, last) if number in found]
    before = max((line for number, line in found.items() if number < first), default=None)
    after = min((line for number, line in found.items() if number >= last), default=None)
    start = inside[0] if first in found or before is None else before + 1
    end = inside[-1] + 1 if last - 1 in found or after is None else after
    return start, end


class _Indents:
    """How indentation in an edit maps to indentation in the program."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        # The first line often lost its indentation on its own; the others then say more.
        ordered = [*pairs[1:], pairs[0]] if pairs else []
        self.known: dict[int, str] = {}
        self.consistent = True
        for number, (ours, theirs) in enumerate(ordered):
            indent = theirs[: len(theirs) - len(theirs.lstrip())]
            known = self.known.setdefault(_width(ours), indent)
            self.consistent = self.consistent and (known == indent or number == len(ordered) - 1)
        self.same = all(
            width == len(indent.expandtabs(4)) and "\t" not in indent for width, indent in self.known.items()
        )

    def shifted(self, line: str) -> str:
        """Indent a line as the program would."""
        if self.same or not line.strip():
            return line
        width = _width(line)
        if width not in self.known:
            lower = max((known for known in self.known if known < width), default=None)
            nearest = lower if lower is not None else min(self.known)
            indent = self.known[nearest]
            if width > nearest:
                indent += self._deeper(width - nearest, indent)
            else:
                indent = indent[: max(0, len(indent) - (nearest - width))]
        else:
            indent = self.known[width]
        return indent + line.lstrip()

    def _deeper(self, width: int, indent: str) -> str:
        """Write further indentation, wider where the program indents in wider steps than the edit."""
        if indent.endswith("\t"):
            return "\t" * max(1, round(width / 4))
        widths = sorted(self.known)
        if len(widths) > 1 and widths[1] > widths[0]:
            ours = widths[1] - widths[0]
            theirs = len(self.known[widths[1]]) - len(self.known[widths[0]])
            if theirs > 0 and (width * theirs) % ours == 0:
                return " " * (width * theirs // ours)
        return " " * width


def _width(line: str) -> int:
    spread = line.expandtabs(4)
    return len(spread) - len(spread.lstrip())


def _inside(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> tuple[Place, ...]:
    """Find a text that begins or ends within a line, never within a word or number."""
    text, wanted = "\n".join(lines), "\n".join(search).strip("\n")
    if not wanted.strip() or len(wanted) > len(text):
        return ()
    places: list[Place] = []
    position = text.find(wanted)
    while position >= 0 and len(places) <= MOST_PLACES:
        end = position + len(wanted)
        if _apart(text[position - 1 : position], wanted[0]) and _apart(wanted[-1], text[end : end + 1]):
            first, last = text.count("\n", 0, position), text.count("\n", 0, end) + 1
            head = text[text.rfind("\n", 0, position) + 1 : position]
            tail = text[end:].partition("\n")[0]
            new = (head + "\n".join(replace).strip("\n") + tail).split("\n")
            places.append(Place(start=first, end=last, lines=tuple(new)))
        position = text.find(wanted, position + 1)
    return tuple(places)


def _apart(left: str, right: str) -> bool:
    """Say whether a word or number ends between two characters."""
    return not ((left.isalnum() or left in {"_", "."}) and (right.isalnum() or right in {"_", "."}) and left and right)


def _fuzzy(lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> Located:
    """Find the one similar text, if it is similar enough and clearly more so than any other."""
    windows = closest_windows(lines, search)
    if not windows or windows[0].ratio < FUZZY_THRESHOLD or windows[0].weakest < 0.6:
        return Located(places=(), tolerance="")
    best = windows[0]
    rivals = [window.ratio for window in windows[1:] if window.end <= best.start or window.start >= best.end]
    if rivals and rivals[0] > best.ratio - FUZZY_MARGIN:
        return Located(places=(), tolerance="")
    want = [number for number, line in enumerate(search) if line.strip()]
    have = [number for number in range(best.start, best.end) if lines[number].strip()]
    place = _merged(lines, search, replace, dict(zip(want, have, strict=True)))
    return Located(places=(place,) if place else (), tolerance="fuzzy match")
