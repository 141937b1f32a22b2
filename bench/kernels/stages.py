"""The steps of the script in their order, and how much of the time that is left each may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step.

    Args:
        name: on the command line; its code is the module ``step_NAME``.
        wanted_seconds: what it takes where nothing is amiss; steps share the time that is left in these proportions.
        stretch: how many times that it takes at most, however much is left.
        shows: what it is for.
    """

    name: str
    wanted_seconds: float
    stretch: float
    shows: str


STAGES = (
    Stage(name="columns", wanted_seconds=90, stretch=1.8, shows="seeds, eager, compiled and libraries on every shape"),
    Stage(name="spread", wanted_seconds=105, stretch=1.5, shows="spread of a repeated comparison, and A/A noise"),
    Stage(name="exported", wanted_seconds=45, stretch=2.5, shows="a replay against the module's own time"),
    Stage(name="honest", wanted_seconds=100, stretch=2.5, shows="honest evaluations on fresh draws"),
    Stage(name="audit", wanted_seconds=110, stretch=2.0, shows="what a finalist is put through, with planted faults"),
    Stage(name="cheats", wanted_seconds=100, stretch=9.0, shows="the audit of both problems"),
    Stage(name="search", wanted_seconds=280, stretch=9.0, shows="an offline search on both problems"),
)

LEAST_SECONDS = 15.0
"""With less than this a step is not begun."""

GRACE_SECONDS = 15.0
"""How long after its time a step may still put its figures together before it is killed."""


def chosen(only: Sequence[str]) -> tuple[Stage, ...]:
    """The steps of these names in their order; all for none.

    Raises:
        ValueError: there is no such step.
    """
    known = {stage.name for stage in STAGES}
    unknown = sorted(set(only) - known)
    if unknown:
        raise ValueError(f"no step {', '.join(unknown)}; there are {', '.join(stage.name for stage in STAGES)}")
    return tuple(stage for stage in STAGES if not only or stage.name in only)


def allotted(stages: Sequence[Stage], left_seconds: float) -> float:
    """Seconds that the first of these steps may take, of what is left for all of them."""
    first = stages[0]
    share = left_seconds * first.wanted_seconds / sum(stage.wanted_seconds for stage in stages)
    return max(0.0, min(share, first.stretch * first.wanted_seconds, left_seconds))


def plan(stages: Sequence[Stage], seconds: float) -> list[tuple[Stage, float]]:
    """Every step with the time that it gets where each takes all of its own."""
    planned, left = [], seconds
    for position, stage in enumerate(stages):
        given = allotted(stages[position:], left)
        planned.append((stage, given))
        left -= given
    return planned
