"""``beam``: the best few are developed evenly."""

from __future__ import annotations

from random import Random

from evolve.selectors.population import Population
from evolve.selectors.protocol import Choice, Member

WIDTH = 4
KEPT = 12


class Beam:
    """The `WIDTH` best by lower bound take turns: the parent is the one of them with the fewest children."""

    def __init__(self) -> None:
        self._population = Population(KEPT)

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        self._population.tell(member)

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._population.drop(number)

    def bred(self, parent: int) -> None:
        """See `Selector.bred`."""
        self._population.bred(parent)

    def choose(self, rng: Random) -> Choice | None:
        """Whose turn it is, with the others of the beam to learn from; a draw settles ties.

        Several drafts may be under way before a child is registered, and a draw keeps them from all having one parent.
        """
        beam = self._population.leaders(WIDTH)
        if not beam:
            return None
        fewest = min(self._population.children(number) for number in beam)
        parent = rng.choice([number for number in beam if self._population.children(number) == fewest])
        return Choice(parent=parent, inspirations=tuple(number for number in reversed(beam) if number != parent))

    def neighbours(self, parent: int) -> list[int]:  # noqa: ARG002 - there is one population
        """Everybody."""
        return self._population.leaders(KEPT)

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        return self._population.leaders(count)
