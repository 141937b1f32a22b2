"""An island: a small population of elites by lower bound and of the best in every cell of behaviour."""

from __future__ import annotations

from evolve.selectors.population import best_first
from evolve.selectors.protocol import Member

ELITES = 12
CELLS = 24


class Island:
    """Keeps the `ELITES` best and the best of every cell, of at most `CELLS` cells."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._members

    def tell(self, member: Member) -> None:
        """Take one in, or its new estimate; whoever is neither elite nor best in its cell goes."""
        self._members[member.number] = member
        kept: dict[int, Member] = {}
        cells: set[tuple[int, ...]] = set()
        for rank, each in enumerate(best_first(self._members.values())):
            is_new_cell = each.cell not in cells and len(cells) < CELLS
            if rank < ELITES or is_new_cell:
                kept[each.number] = each
                cells.add(each.cell)
        self._members = kept

    def drop(self, number: int) -> None:
        """Forget one."""
        self._members.pop(number, None)

    def ranked(self) -> list[Member]:
        """Everybody, best first."""
        return best_first(self._members.values())

    def best(self) -> Member | None:
        """Whoever leads here."""
        return min(self._members.values(), key=lambda member: (-member.low, member.number), default=None)
