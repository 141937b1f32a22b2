"""``best_of_n``: every proposal starts from the best starting program. The baseline that a search must beat."""

from __future__ import annotations

from random import Random

from evolve.selectors.protocol import Choice, Member

KEPT = 16


class BestOfN:
    """Independent draws around the best unmodified seed; nothing found is ever built upon."""

    def __init__(self) -> None:
        self._seeds: dict[int, Member] = {}
        self._leaders: dict[int, Member] = {}

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        if member.is_seed:
            self._seeds[member.number] = member
        self._leaders[member.number] = member
        if len(self._leaders) > KEPT:
            del self._leaders[min(self._leaders.values(), key=lambda m: (m.low, -m.number)).number]

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._seeds.pop(number, None)
        self._leaders.pop(number, None)

    def bred(self, parent: int) -> None:
        """Children change nothing here."""

    def choose(self, rng: Random) -> Choice | None:
        """The best seed as parent, the others as inspirations."""
        if not self._seeds:
            return None
        ranked = sorted(self._seeds.values(), key=lambda m: (m.low, -m.number))
        others = [member.number for member in ranked[:-1]]
        rng.shuffle(others)
        return Choice(parent=ranked[-1].number, inspirations=tuple(others))

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        ranked = sorted(self._leaders.values(), key=lambda m: (-m.low, m.number))
        return [member.number for member in ranked[:count]]
