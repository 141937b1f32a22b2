"""What was measured of one program with its marked constants set to different values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from evolve.proposers.tuner.space import Space, Value, same
from evolve.proposers.tuner.units import Point

KEPT = 100
"""How many trials of a study are remembered: the best and the latest; more would make a proposal slower."""

WAITED_FOR = 32
"""How many proposals of a study are taken to be under way; older ones came to nothing."""

PATIENCE = 64
"""After so many lessons without word of a proposal it is taken to have come to nothing."""


class State(StrEnum):
    """What came of a trial."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate of a study.

    Args:
        number: the candidate's number.
        point: the values of its marked constants.
        state: what came of it.
        value: its score in points; of a stopped one over the workloads that it finished; None for a failed one.
        workloads: how many workloads it finished.
    """

    number: int
    point: Point
    state: State
    value: float | None
    workloads: int = 0

    @property
    def rank(self) -> tuple[int, float]:
        """Higher is better: every measured one above every stopped one, these above every failed one."""
        order = {State.DONE: 2, State.STOPPED: 1, State.FAILED: 0}[self.state]
        return order, self.value if self.value is not None else 0.0


@dataclass(slots=True)
class Study:
    """The trials of one program; its state is a function of what it was told and asked.

    Args:
        spaces: what each marked constant may be, by key.
        parent: the study that its first candidate came of, and the numbers of that one and of its parent.
    """

    spaces: Mapping[str, Space]
    parent: tuple[str, int, int] | None = None
    _trials: dict[int, Trial] = field(default_factory=dict)
    _waiting: list[tuple[int, Point]] = field(default_factory=list)

    @property
    def trials(self) -> list[Trial]:
        """Those remembered, in the order in which they were first heard of."""
        return list(self._trials.values())

    def best_but(self, point: Point) -> Trial | None:
        """The best measured one with other values than these; the earlier one of equals."""
        done = [
            trial for trial in self._trials.values() if trial.state is State.DONE and not same_point(trial.point, point)
        ]
        return max(done, key=lambda trial: (trial.rank, -trial.number), default=None)

    def trial(self, number: int) -> Trial | None:
        """What is known of one candidate."""
        return self._trials.get(number)

    def tell(self, trial: Trial) -> None:
        """Learn of a trial, or more of one."""
        self._trials[trial.number] = trial
        if len(self._trials) > KEPT:
            ranked = sorted(self._trials.values(), key=lambda trial: trial.rank, reverse=True)
            dear = {trial.number for trial in ranked[: KEPT // 2]}
            del self._trials[next(number for number in self._trials if number not in dear)]

    def heard_of(self, point: Point) -> None:
        """A verdict came on a program with these values, whatever it was: it is not under way any more."""
        self._waiting = [(when, other) for when, other in self._waiting if not same_point(other, point)]

    def waiting(self, now: int) -> list[Point]:
        """What was proposed and not heard of yet.

        Args:
            now: how many lessons were heard in all.
        """
        self._waiting = [(when, point) for when, point in self._waiting if now - when < PATIENCE]
        return [point for _, point in self._waiting]

    def wait_for(self, point: Point, now: int) -> None:
        """Take note of a proposal."""
        self._waiting = [*self._waiting[1 - WAITED_FOR :], (now, dict(point))]


def same_point(one: Point, other: Point) -> bool:
    """Whether two points have the same values."""
    return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())


def _spelled(point: Point) -> tuple[str, ...]:
    """A point as something to look up; 1 and 1.0 are one value, 1 and True are not."""
    return tuple(f"{key} {_plain(value)!r}" for key, value in sorted(point.items()))


def _plain(value: Value) -> Value:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def moved_over(
    study: Study, own: Iterable[Trial], parent: Iterable[Trial], *, founder: Trial | None, origin: Trial | None
) -> list[Trial]:
    """Trials of a parent study as far as they say something about its child.

    Constants of the same name, place and kind keep their values, new ones get the founder's. Scores are shifted by
    what the child gained on a point that both have met, else by what its first candidate gained on its own parent.

    Args:
        study: the child.
        own: the child's trials.
        parent: the parent's.
        founder: the child's first candidate.
        origin: the one in the parent study that this was made of.
    """
    own, parent = list(own), list(parent)
    start = founder or next(iter(own), None)
    if start is None:
        return []
    carried = [(trial, _carried(study.spaces, trial.point, start.point)) for trial in parent]
    shift = _shift(own, carried, founder, origin)
    if shift is None:
        return []
    return [
        Trial(
            number=trial.number,
            point=point,
            state=trial.state,
            value=None if trial.value is None else trial.value + shift,
            workloads=trial.workloads,
        )
        for trial, point in carried
    ]


def _carried(spaces: Mapping[str, Space], point: Point, otherwise: Point) -> dict[str, Value]:
    return {key: space.nearest(point.get(key, otherwise[key]), otherwise[key]) for key, space in spaces.items()}


def _shift(
    own: list[Trial], carried: list[tuple[Trial, dict[str, Value]]], founder: Trial | None, origin: Trial | None
) -> float | None:
    above = {_spelled(point): trial.value for trial, point in reversed(carried) if trial.value is not None}
    for child in own:
        theirs = above.get(_spelled(child.point))
        if child.value is not None and theirs is not None:
            return child.value - theirs
    if founder and origin and founder.value is not None and origin.value is not None:
        return founder.value - origin.value
    return None
