"""What every selector does."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    number: int
    mean: float
    low: float
    cell: tuple[int, ...]
    is_seed: bool


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

    def leaders(self, count: int) -> list[int]:
        """Numbers of the members with the highest lower bounds, best first."""
