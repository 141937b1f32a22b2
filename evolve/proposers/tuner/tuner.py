"""The proposer that tunes marked constants: a program as it was, with other numbers in it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from evolve.lesson import Lesson
from evolve.proposal import Context, Proposal, ProposalError, Selection
from evolve.proposers.tuner.books import Books, Place
from evolve.proposers.tuner.marks import written
from evolve.proposers.tuner.space import Kind, Space, Value, literal, same
from evolve.proposers.tuner.study import State, Study, same_point
from evolve.proposers.tuner.units import nearby

GAUSSIAN_TRIALS = 2
"""From so many trials for each constant on a Gaussian process samples, where all are numbers; until then CMA-ES."""

FEWEST_TRIALS = 6
"""With fewer trials than this a Gaussian process has too little to choose its length scale by."""

TRIES = 12
"""How often to sample before giving up; what is sampled may be known already."""

SHOWN = 4


class Tuner:
    """Proposes other values for the constants that a program marks; deterministic in lessons heard and context's rng.

    Optuna's log level is set for the whole process at the first proposal, so that studies are not reported on stderr.

    Args:
        entry: name of the function that the problem calls; constants that it never reaches are not tuned.
    """

    def __init__(self, *, entry: str) -> None:
        self._books = Books(entry)

    @property
    def name(self) -> str:
        """Name in the archive."""
        return "tuner"

    def learn(self, lesson: Lesson) -> None:
        """Hear of a verdict, whoever wrote the candidate; also in a replay, before the first proposal."""
        self._books.learn(lesson)

    @property
    def has_studies(self) -> bool:
        """Whether any candidate that it heard of has marked constants."""
        return self._books.count > 0

    def can_tune(self, source: str) -> bool:
        """Whether a program has marked constants that its entry reaches."""
        return bool(self._books.place(source).study)

    def rival_of(self, source: str) -> int | None:
        """Number of the best other measured candidate that differs from a program in marked constants only."""
        place = self._books.place(source)
        best = self._books.study(place).best_but(place.point) if place.study else None
        return best.number if best else None

    def propose(self, selection: Selection, context: Context) -> Proposal:
        """Write the parent with other values.

        Raises:
            ProposalError: the parent has no marked constants, or nothing new was found near what is known.
        """
        parent = selection.parent
        place = self._books.place(parent.source)
        spaces = _free(parent.source, place, context)
        if not spaces:
            raise ProposalError(
                f"candidate {parent.number} has no marked constants; mark one with a comment such as "
                "`# tune: float 0.5 0.999` behind its assignment"
            )
        study = self._books.study(place)
        reason = ""
        for turn in range(TRIES):
            values, how = self._sample(place, spaces, study, context.rng, turn)
            source = written(parent.source, values)
            # As it is written down, which is not always as it was drawn: that is what the verdict will be on.
            point = self._books.place(source).point
            under_way = any(same_point(point, other) for other in study.waiting(self._books.heard))
            if under_way or source == parent.source or context.repeats(source):
                reason = "every set of values that was drawn has been tried"
                continue
            reason = context.objection(source) or ""
            if reason:
                continue
            study.wait_for(point, self._books.heard)
            return Proposal(
                source=source,
                proposer=self.name,
                operator="tune",
                parents=(parent.number,),
                note=f"{_changes(place, values)} ({how})",
            )
        raise ProposalError(f"no new values for candidate {parent.number} in {TRIES} tries: {reason}")

    def _sample(
        self, place: Place, spaces: Mapping[str, Space], study: Study, rng: Random, turn: int
    ) -> tuple[Mapping[str, Value], str]:
        # Imported here: Optuna and what it brings take seconds, which runs that only hear of marks must not pay.
        from evolve.proposers.tuner.gaussian import gaussian  # noqa: PLC0415
        from evolve.proposers.tuner.sampling import cma_es, tpe  # noqa: PLC0415

        known = self._books.known(place)
        count = f"{len(known)} trial{'' if len(known) == 1 else 's'}"
        best = max(known, key=lambda trial: trial.rank, default=None)
        start = best.point if best and best.state is State.DONE else None
        waiting = study.waiting(self._books.heard)
        if start is not None and turn <= TRIES // 2:
            if any(space.kind is Kind.CHOICE for space in spaces.values()):
                return tpe(spaces, known, waiting, rng), f"TPE, {count}"
            if len(known) >= max(GAUSSIAN_TRIALS * len(spaces), FEWEST_TRIALS):
                return gaussian(spaces, known, waiting, rng), f"GP, {count}"
            if len(spaces) > 1:
                return cma_es(spaces, known, rng), f"CMA-ES, {count}"
        return nearby(spaces, start or place.point, rng, reach=1.0 + turn / TRIES), f"a step, {count}"


def _free(source: str, place: Place, context: Context) -> Mapping[str, Space]:
    """The constants that may change: all, or those in the regions that a template marks."""
    if context.template is None:
        return place.spaces
    free = {}
    for key, space in place.spaces.items():
        other = nearby({key: space}, place.point, Random(0))
        if context.objection(written(source, other)) is None:
            free[key] = space
    return free


def _changes(place: Place, values: Mapping[str, Value]) -> str:
    """The change in one line."""
    changed = [key for key, value in place.point.items() if key in values and not same(values[key], value)]
    told = [f"{key} {_short(place.point[key])} -> {_short(values[key])}" for key in changed[:SHOWN]]
    more = len(changed) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _short(value: Value) -> str:
    text = literal(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
