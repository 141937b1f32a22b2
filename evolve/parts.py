"""Parts of a search beside selection, each of which may be left out to see what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evolve.novelty import Novelty
from evolve.racing import Racing
from evolve.repeats import Repeats

RivalOf = Callable[[str], int | None]
"""Says whom a new program should race in place of its parent, by its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How an evaluation is run against somebody else's: shares that it must not fall behind, and the order of play."""

    shares: tuple[float, ...] | None = None
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Parts of a search; None where one is left out.

    Args:
        novelty: refuses programs that are nearly those of others.
        racing: orders workloads and stops candidates that fall behind.
        repeats: measures again where that decides something.
    """

    novelty: Novelty | None = None
    racing: Racing | None = None
    repeats: Repeats | None = None
