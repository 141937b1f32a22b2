"""All studies of a run, kept up to date by what the run tells of its candidates."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from evaluators.model import Outcome
from evaluators.program import ProgramError
from evolve.lesson import Lesson
from evolve.proposers.tuner.marks import read_marks, skeleton
from evolve.proposers.tuner.space import Kind, Space, Value
from evolve.proposers.tuner.study import State, Study, Trial, moved_over
from evolve.proposers.tuner.units import Point

STUDIES_KEPT = 256
"""How many studies are remembered: those heard of last."""

PLACES_KEPT = 8192
"""Of how many candidates it is remembered which study they belong to."""

INHERITED = 50
"""How many trials a study takes over from its ancestors, the best ones; none once it has as many of its own."""

GENERATIONS = 4
"""How far up a study asks what its ancestors know."""


_PLAIN = re.compile(r"(\s*\w+\s*=\s*)(-?\d{1,15}(?:\.\d*)?(?:[eE][-+]?\d{1,3})?|True|False|None)(\s*#.*)")
_WORDS: Mapping[str, Value] = MappingProxyType({"True": True, "False": False, "None": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program belongs.

    Args:
        study: its study; empty without marks.
        spaces: what each marked constant may be, by key, in the order of the text.
        point: what each of them is now, by key.
        lines: the lines of the marks, counted from 1.
    """

    study: str = ""
    spaces: Mapping[str, Space] = field(default_factory=dict)
    point: Point = field(default_factory=dict)
    lines: tuple[int, ...] = ()


NOWHERE = Place()


class Books:
    """Studies by skeleton; their state is a function of the lessons heard.

    Every candidate whose skeleton has marks is a trial of its study, whoever wrote it, and what was learned lies in the
    candidates themselves: a resumed run that hears the same lessons has the same studies.

    Args:
        entry: name of the function that the problem calls.
    """

    def __init__(self, entry: str) -> None:
        self._entry = entry
        self._studies: OrderedDict[str, Study] = OrderedDict()
        self._study_of: OrderedDict[int, str] = OrderedDict()
        self._heard = 0
        # A parent comes back again and again, and so do further verdicts on it.
        self._place: Callable[[str], Place] = lru_cache(maxsize=1024)(self._read)
        self._alike: OrderedDict[bytes, Place] = OrderedDict()

    @property
    def heard(self) -> int:
        """How many lessons were heard."""
        return self._heard

    @property
    def count(self) -> int:
        """How many studies are remembered."""
        return len(self._studies)

    def learn(self, lesson: Lesson) -> None:
        """Hear of a verdict."""
        self._heard += 1
        candidate = lesson.candidate
        place = self.place(candidate.source)
        self._study_of[candidate.number] = place.study
        self._study_of.move_to_end(candidate.number)
        if len(self._study_of) > PLACES_KEPT:
            self._study_of.popitem(last=False)
        if not place.study:
            return
        study = self._studies.get(place.study)
        if study is None:
            study = self._studies[place.study] = Study(place.spaces, self._origin(lesson, place.study))
        self._studies.move_to_end(place.study)
        if len(self._studies) > STUDIES_KEPT:
            self._studies.popitem(last=False)
        study.heard_of(place.point)
        trial = _trial(lesson, place)
        if trial is not None:
            study.tell(trial)

    def place(self, source: str) -> Place:
        """Find out which study a program belongs to."""
        return self._place(source) if "tune" in source else NOWHERE

    def study(self, place: Place) -> Study:
        """The study of a place; an empty one where nothing was heard of it."""
        return self._studies.get(place.study) or Study(place.spaces)

    def known(self, place: Place) -> list[Trial]:
        """What is known of a study: its own trials, and before them those of its ancestors that can be carried over."""
        return self._known(place.study, GENERATIONS)

    def _known(self, name: str, generations: int) -> list[Trial]:
        study = self._studies.get(name)
        if study is None:
            return []
        own = study.trials
        if generations == 0 or study.parent is None or len(own) >= INHERITED:
            return own
        above, first, origin = study.parent
        theirs = self._known(above, generations - 1)
        source = self._studies.get(above)
        carried = moved_over(
            study, own, theirs, founder=study.trial(first), origin=source.trial(origin) if source else None
        )
        dear = {trial.number for trial in sorted(carried, key=lambda trial: trial.rank, reverse=True)[:INHERITED]}
        return [*(trial for trial in carried if trial.number in dear), *own]

    def _origin(self, lesson: Lesson, study: str) -> tuple[str, int, int] | None:
        for parent in lesson.candidate.parents:
            above = self._study_of.get(parent, "")
            if above and above != study:
                return above, lesson.candidate.number, parent
        return None

    def _read(self, source: str) -> Place:
        blank, lines, values = _blanked(source)
        alike = self._alike.get(blank)
        if alike is not None and alike.lines == lines:
            point = dict(zip(alike.spaces, values, strict=True))
            if all(space.holds(point[key]) for key, space in alike.spaces.items()):
                return replace(alike, point={key: _as_read(alike.spaces[key], point[key]) for key in point})
        place = self._parsed(source)
        self._alike[blank] = place
        if len(self._alike) > STUDIES_KEPT:
            self._alike.popitem(last=False)
        return place

    def _parsed(self, source: str) -> Place:
        try:
            marks = read_marks(source, self._entry)
            study = skeleton(source, self._entry) if marks else ""
        except ProgramError:
            return NOWHERE  # Only what was refused on sight can be no program, and it has nothing to tune.
        return Place(
            study=study,
            spaces={mark.key: mark.space for mark in marks},
            point={mark.key: mark.value for mark in marks},
            lines=tuple(mark.line for mark in marks),
        )


def _blanked(source: str) -> tuple[bytes, tuple[int, ...], list[Value]]:
    """Digest of a text without the plain literals in front of marks, their lines, and their values.

    Most trials of a study differ in these alone; to see that takes far less time than to parse them.
    """
    lines, values, rest = [], [], []
    for number, line in enumerate(source.split("\n"), start=1):
        found = _PLAIN.fullmatch(line) if "tune" in line else None
        if found:
            lines.append(number)
            values.append(_WORDS[found[2]] if found[2] in _WORDS else _number(found[2]))
        rest.append(f"{found[1]}\0{found[3]}" if found else line)
    return hashlib.sha256("\n".join(rest).encode("utf-8", "surrogatepass")).digest(), tuple(lines), values


def _number(text: str) -> Value:
    return float(text) if set(text) & set(".eE") else int(text)


def _as_read(space: Space, value: Value) -> Value:
    return float(value) if space.kind is Kind.FLOAT and isinstance(value, int) else value


def _trial(lesson: Lesson, place: Place) -> Trial | None:
    """What a verdict says; None for one that says nothing of the values, such as that of a stopped run's quarantine."""
    outcome = lesson.evaluation.outcome
    state = {Outcome.OK: State.DONE, Outcome.STOPPED: State.STOPPED}.get(outcome, State.FAILED)
    if state is not State.FAILED and lesson.value is None:
        return None
    return Trial(
        number=lesson.candidate.number,
        point=place.point,
        state=state,
        value=None if state is State.FAILED else lesson.value,
        workloads=len(lesson.evaluation.workloads),
    )
