"""``best_of_n``: every proposal starts from the best starting program. The baseline that a search must beat."""

from __future__ import annotations

from random import Random

from evolve.selectors.population import Population, best_first
from evolve.selectors.protocol import Choice, Member

KEPT = 16


class BestOfN:
    """Independent draws around the best unmodified seed; nothing found is ever built upon."""

    def __init__(self) -> None:
        self._seeds: dict[int, Member] = {}
        self._found = Population(KEPT)

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        if member.is_seed:
            self._seeds[member.number] = member
        else:
            self._found.tell(member)

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._seeds.pop(number, None)
        self._found.drop(number)

    def bred(self, parent: int) -> None:
        """Children change nothing here."""

    def choose(self, rng: Random) -> Choice | None:
        """The best seed as parent, the others as inspirations."""
        if not self._seeds:
            return None
        best, *others = [member.number for member in best_first(self._seeds.values())]
        rng.shuffle(others)
        return Choice(parent=best, inspirations=tuple(others))

    def neighbours(self, parent: int) -> list[int]:  # noqa: ARG002 - there is one population
        """Everybody who is kept."""
        return [member.number for member in self._everybody()]

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        return [member.number for member in self._everybody()[:count]]

    def _everybody(self) -> list[Member]:
        return best_first([*self._seeds.values(), *self._found.ranked()])
