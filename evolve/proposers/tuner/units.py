"""Values as places between 0 and 1, and small steps from a place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

from evolve.proposers.tuner.space import Kind, Space, Value

STEP = 0.2
"""Standard deviation of a first step, as a share of the range (of its logarithm where the mark says `log`)."""

Point = Mapping[str, Value]
"""A value for each marked constant, by key."""


def to_unit(space: Space, value: Value) -> float:
    """Where a number lies in its range, 0 to 1; the bounds of an integer lie half a step inside."""
    assert isinstance(value, int | float)
    margin = space.step / 2 if space.kind is Kind.INT else 0.0
    if space.log:
        low, high = math.log(space.low - margin), math.log(space.high + margin)
        place = (math.log(value) - low) / (high - low)
    else:
        place = (value - space.low + margin) / (space.high - space.low + 2 * margin)
    return min(max(place, 0.0), 1.0)


def from_unit(space: Space, place: float) -> Value:
    """The number that lies there; an integer on a step, a float with six digits."""
    margin = space.step / 2 if space.kind is Kind.INT else 0.0
    if space.log:
        low, high = math.log(space.low - margin), math.log(space.high + margin)
        value = math.exp(low + place * (high - low))
    else:
        value = space.low - margin + place * (space.high - space.low + 2 * margin)
    return space.nearest(value, None)


def nearby(spaces: Mapping[str, Space], point: Point, rng: Random, *, reach: float = 1.0) -> dict[str, Value]:
    """Move one or two values a little away from a point, and leave the others.

    Args:
        spaces: what each value may be, by key.
        point: from where.
        rng: the only source of randomness.
        reach: how far, in multiples of `STEP`.
    """
    moved = dict(point)
    for key in rng.sample(sorted(spaces), min(len(spaces), rng.choice((1, 2)))):
        moved[key] = _step(spaces[key], point[key], rng, STEP * reach)
    return moved


def _step(space: Space, value: Value, rng: Random, size: float) -> Value:
    if space.kind is Kind.CHOICE:
        others = [choice for choice in space.choices if space.nearest(value, None) is not choice]
        return rng.choice(others)
    place = to_unit(space, value) + rng.gauss(0.0, size)
    # Mirrored at the bounds, so that these do not collect what would pass them.
    place = 1.0 - abs(1.0 - abs(place) % 2.0)
    return from_unit(space, place)
