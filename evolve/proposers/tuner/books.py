"""All studies of a run, kept up to date by what the run tells of its candidates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from evaluators.model import Outcome
from evaluators.program import ProgramError
from evolve.lesson import Lesson
from evolve.proposers.tuner.marks import Mark, read_marks, skeleton
from evolve.proposers.tuner.space import Space
from evolve.proposers.tuner.study import State, Study, Trial, moved_over
from evolve.proposers.tuner.units import Point

STUDIES_KEPT = 256
"""How many studies are remembered: those heard of last."""

PLACES_KEPT = 8192
"""Of how many candidates it is remembered which study they belong to."""

GENERATIONS = 4
"""How far up a study asks what its ancestors know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program belongs: its study, empty without marks, and its values there."""

    study: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def spaces(self) -> Mapping[str, Space]:
        """What each marked constant may be, by key."""
        return {mark.key: mark.space for mark in self.marks}

    @property
    def point(self) -> Point:
        """What each marked constant is now, by key."""
        return {mark.key: mark.value for mark in self.marks}


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
        if generations == 0 or study.parent is None or study.parent[0] == name:
            return own
        above, first, origin = study.parent
        theirs = self._known(above, generations - 1)
        source = self._studies.get(above)
        carried = moved_over(
            study, own, theirs, founder=study.trial(first), origin=source.trial(origin) if source else None
        )
        return [*carried, *own]

    def _origin(self, lesson: Lesson, study: str) -> tuple[str, int, int] | None:
        for parent in lesson.candidate.parents:
            above = self._study_of.get(parent, "")
            if above and above != study:
                return above, lesson.candidate.number, parent
        return None

    def _read(self, source: str) -> Place:
        try:
            marks = read_marks(source, self._entry)
            return Place(study=skeleton(source, self._entry), marks=marks) if marks else NOWHERE
        except ProgramError:
            return NOWHERE  # Only what was refused on sight can be no program, and it has nothing to tune.


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
