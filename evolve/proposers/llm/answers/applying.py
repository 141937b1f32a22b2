"""Applying edits to a program: all of them, or none and the reason.

An edit is looked for in the program as it was shown; if it is not there, in the program as the edits before it
left it, since some models write a second edit of what the first one wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from evolve.proposers.llm.answers.elision import fill, is_elision
from evolve.proposers.llm.answers.markers import MOST_EDITS
from evolve.proposers.llm.answers.matching import Place, locate
from evolve.proposers.llm.answers.model import AnswerError, Edit
from evolve.proposers.llm.answers.nearest import quoted_nearest
from evolve.proposers.llm.answers.repairs import without_numbers

_NOT_APPLIED = "None of the edits was applied."


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The edited program and what was tolerated."""

    source: str
    tolerated: tuple[str, ...]


def apply_edits(edits: Sequence[Edit], parent: str) -> Applied:
    """Apply edits that each search for at least one line.

    Raises:
        AnswerError: one of them was not found, stands in several places or overlaps another.
    """
    applier = _Applier(edits, parent.split("\n"))
    applier.run()
    return Applied(source="\n".join(text for text, _ in applier.rows), tolerated=tuple(applier.tolerated))


class _Applier:
    """The program as it changes: rows of text, each with its line in the parent (from 0), -1 for new ones."""

    def __init__(self, edits: Sequence[Edit], lines: list[str]) -> None:
        self.lines = lines
        self.known = {line.strip() for line in lines}
        self.rows: list[tuple[str, int]] = [(line, number) for number, line in enumerate(lines)]
        self.tolerated: list[str] = []
        self.edits: list[Edit] = []
        for edit in edits:
            self.edits += self._plainly(edit)
            if len(self.edits) > MOST_EDITS:
                raise AnswerError(f"The answer holds more than {MOST_EDITS} edits. Send fewer, larger ones.")
        self.done: list[tuple[Edit, Place]] = []

    def run(self) -> None:
        for number, edit in enumerate(self.edits):
            if edit.search == edit.replace:
                self._tolerate("edit without effect")
                continue
            place, tolerance = self._find(number, edit)
            if place is None:
                continue
            place = self._filled(edit, place, self.lines)
            if tolerance:
                self._tolerate(tolerance)
            if self._put(place):
                self.done.append((edit, place))
            elif not self._follow(edit):
                other = next((at for at, old in self.done if old.start < place.end and place.start < old.end), None)
                raise AnswerError(
                    f"{edit.name.capitalize()} at line {place.start + 1} overlaps "
                    f"{other.name if other else 'an earlier edit'}. {_NOT_APPLIED} Join them into one edit."
                )

    def _find(self, number: int, edit: Edit) -> tuple[Place | None, str]:
        """Find an edit's place in the parent; no place if it was dealt with otherwise."""
        located = locate(self.lines, edit.search, edit.replace, fuzzy=False)
        if not located.places:
            if self._follow(edit):
                return None, ""
            located = locate(self.lines, edit.search, edit.replace)
        if not located.places:
            self._not_found(edit)
        same = [at for at, other in enumerate(self.edits) if other.search == edit.search]
        if len(located.places) == 1:
            if any(at < number and self.edits[at].replace == edit.replace for at in same):
                self._tolerate("repeated edit")
                return None, ""
            return located.places[0], located.tolerance
        chosen = self._chosen(number, edit, located.places, same)
        if chosen is None:
            lines = ", ".join(str(place.start + 1) for place in located.places[:10])
            raise AnswerError(
                f"{edit.name.capitalize()} is ambiguous: its text stands in {len(located.places)} places (lines "
                f"{lines}). {_NOT_APPLIED} Add lines before or after it that tell the place apart."
            )
        return chosen, located.tolerance

    def _chosen(self, number: int, edit: Edit, places: Sequence[Place], same: Sequence[int]) -> Place | None:
        """Choose among several places, where the answer says clearly which one is meant."""
        if edit.anchors:
            places = self._after_anchors(edit.anchors, places) or places
        if edit.line is not None:
            hit = [place for place in places if place.start == edit.line - 1]
            if len(hit) == 1:
                return hit[0]
        if len(places) == 1:
            return places[0]
        if len(same) == len(places):
            return places[list(same).index(number)]
        ordered = edit.line is not None or edit.name.startswith("hunk")
        earlier = self.done[-1][1].end if self.done else None
        later = self._next_start(number)
        if not ordered and (earlier is None or later is None):
            return None
        low, high = earlier or 0, len(self.lines) if later is None else later
        between = [place for place in places if low <= place.start and place.end <= high]
        return between[0] if len(between) == 1 else None

    def _after_anchors(self, anchors: Sequence[str], places: Sequence[Place]) -> list[Place]:
        """Keep the places in the block that a line named by the answer opens."""
        first = -1
        for anchor in anchors:
            wanted = anchor.strip().rstrip(":")
            hits = [n for n, line in enumerate(self.lines) if n > first and wanted in line]
            starts = [n for n in hits if self.lines[n].strip().startswith(wanted)] or hits
            if not starts:
                return []
            first = starts[0]
        indent = len(self.lines[first]) - len(self.lines[first].lstrip())
        last = next(
            (
                n
                for n in range(first + 1, len(self.lines))
                if (text := self.lines[n].strip())
                and len(self.lines[n]) - len(self.lines[n].lstrip()) <= indent
                and text[0] not in ")]}"
            ),
            len(self.lines),
        )
        return [place for place in places if first <= place.start < last]

    def _next_start(self, number: int) -> int | None:
        """Find where the next edit with a single place begins."""
        for edit in self.edits[number + 1 :]:
            located = locate(self.lines, edit.search, edit.replace, fuzzy=False)
            if len(located.places) == 1:
                return located.places[0].start
        return None

    def _put(self, place: Place) -> bool:
        """Replace lines of the parent, if they are all still there and nothing was put between them."""
        numbers = range(place.start, place.end)
        index = {origin: at for at, (_, origin) in enumerate(self.rows) if origin in numbers}
        if len(index) < len(numbers):
            return False
        old = self.lines[place.start : place.end]
        head, tail = _shared(old, place.lines)
        core = numbers[head : len(numbers) - tail]
        if core and index[core[-1]] - index[core[0]] != len(core) - 1:
            return False
        start = index[core[0]] if core else (index[numbers[head - 1]] + 1 if head else index[numbers[0]])
        new = [(line, -1) for line in place.lines[head : len(place.lines) - tail]]
        self.rows[start : start + len(core)] = new
        return True

    def _follow(self, edit: Edit) -> bool:
        """Apply an edit to what the edits before it wrote, if it is there exactly once."""
        if not self.done:
            return False
        texts = [text for text, _ in self.rows]
        located = locate(texts, edit.search, edit.replace, fuzzy=False)
        if len(located.places) != 1 or located.tolerance not in {"", "trailing white space", "indentation"}:
            return False
        place = self._filled(edit, located.places[0], texts)
        self.rows[place.start : place.end] = [(line, -1) for line in place.lines]
        self.done.append((edit, Place(start=0, end=0, lines=())))
        self._tolerate("edit of an edit")
        return True

    def _filled(self, edit: Edit, place: Place, lines: Sequence[str]) -> Place:
        """Fill what a replacement leaves out from the lines that it replaces."""
        elided = {number for number, line in enumerate(place.lines) if is_elision(line, self.known)}
        if not elided:
            return place
        self._tolerate("elision filled")
        original = lines[place.start : place.end]
        filled = fill(place.lines, elided, original, f"{edit.name.capitalize()}'s replacement")
        return replace(place, lines=tuple(filled))

    def _plainly(self, edit: Edit) -> list[Edit]:
        """Take line numbers off an edit, and split one that leaves lines out of both halves."""
        search, new = list(edit.search), list(edit.replace)
        bare = without_numbers("\n".join(search)).split("\n")
        if bare != search and not set(search) <= set(self.lines):
            self._tolerate("line numbers")
            edit = replace(edit, search=tuple(bare), replace=tuple(without_numbers("\n".join(new)).split("\n")))
        olds, news = self._split(edit.search), self._split(edit.replace)
        if len(olds) == 1:
            return [edit]
        self._tolerate("elision filled")
        if len(olds) == len(news):
            pairs = [(old, fresh) for old, fresh in zip(olds, news, strict=True) if old != fresh]
            if all(any(line.strip() for line in old) for old, _ in pairs):
                return [replace(edit, search=tuple(old), replace=tuple(fresh)) for old, fresh in pairs]
        return [self._spanning(edit, olds)]

    def _spanning(self, edit: Edit, pieces: Sequence[Sequence[str]]) -> Edit:
        """Write out a SEARCH text that gives only its first and last lines."""
        position = 0
        first = 0
        for number, piece in enumerate(pieces):
            if not any(line.strip() for line in piece):
                self._not_found(edit)
            places = [p for p in locate(self.lines, piece, piece, fuzzy=False).places if p.start >= position]
            if len(places) != 1:
                self._not_found(edit)
            first = places[0].start if not number else first
            position = places[0].end
        return replace(edit, search=tuple(self.lines[first:position]))

    def _split(self, lines: Sequence[str]) -> list[list[str]]:
        pieces: list[list[str]] = [[]]
        for line in lines:
            if is_elision(line, self.known):
                pieces.append([])
            else:
                pieces[-1].append(line)
        return pieces

    def _not_found(self, edit: Edit) -> NoReturn:
        first = next((line.strip()[:100] for line in edit.search if line.strip()), "")
        nearest = quoted_nearest(self.lines, edit.search)
        told = f"The nearest text of the program is:\n{nearest}\n" if nearest else ""
        raise AnswerError(
            f"{edit.name.capitalize()} could not be applied: its text to find, which begins with {first!r}, is not in "
            f"the program. {_NOT_APPLIED}\n{told}Copy the lines to replace exactly as they are in the program, "
            "or send the whole program."
        )

    def _tolerate(self, name: str) -> None:
        if name not in self.tolerated:
            self.tolerated.append(name)


def _shared(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """Count the lines that two texts share at their beginning and at their end."""
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail
