"""``sequential``: the best so far is always the parent. Plain hill climbing."""

from __future__ import annotations

from random import Random

from evolve.selectors.population import Population
from evolve.selectors.protocol import Choice, Member

KEPT = 8
INSPIRATIONS = 4


class Sequential:
    """Builds on whoever leads by lower bound, with the next best to learn from."""

    def __init__(self) -> None:
        self._population = Population(KEPT)

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        self._population.tell(member)

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._population.drop(number)

    def bred(self, parent: int) -> None:
        """Children change nothing here."""

    def choose(self, rng: Random) -> Choice | None:  # noqa: ARG002 - nothing is drawn
        """The leader, and the next best."""
        numbers = self._population.leaders(1 + INSPIRATIONS)
        if not numbers:
            return None
        return Choice(parent=numbers[0], inspirations=tuple(reversed(numbers[1:])))

    def neighbours(self, parent: int) -> list[int]:  # noqa: ARG002 - there is one population
        """Everybody."""
        return self._population.leaders(KEPT)

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        return self._population.leaders(count)
