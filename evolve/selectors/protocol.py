"""What every selector does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A candidate that a selector may choose.

    Args:
        number: its number in the run.
        mean: pooled train score, in points.
        low: lower end of the 95 % interval of that score.
        cell: bins of its behaviour descriptors.
        is_seed: whether it is an unmodified starting program.
        parent: number of its first parent; None for a seed.
        kinds: mean lead over the best seed on each kind of workload, in points, on the blocks that both have met.
    """

    number: int
    mean: float
    low: float
    cell: tuple[int, ...]
    is_seed: bool
    parent: int | None = None
    kinds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Numbers of the chosen parent and of further programs to learn from, worst first."""

    parent: int
    inspirations: tuple[int, ...] = ()


class Selector(Protocol):
    """Chooses parents. Its state is a function of the calls made to it, so a resumed run rebuilds it."""

    def tell(self, member: Member) -> None:
        """A candidate was measured, or measured again."""

    def drop(self, number: int) -> None:
        """A candidate lost its score and may not be chosen any more."""

    def bred(self, parent: int) -> None:
        """A child of that parent was registered."""

    def choose(self, rng: Random) -> Choice | None:
        """Choose a parent; None while nobody has been measured."""

    def neighbours(self, parent: int) -> list[int]:
        """Numbers of those whom a child of that parent would live among: what it must differ from to be new."""

    def leaders(self, count: int) -> list[int]:
        """Numbers of the members with the highest lower bounds, best first."""
