"""The best few by lower bound: what the plain selectors know."""

from __future__ import annotations

from collections.abc import Iterable

from evolve.selectors.protocol import Member


def best_first(members: Iterable[Member]) -> list[Member]:
    """Order by lower bound, highest first; of equals the older one comes first."""
    return sorted(members, key=lambda member: (-member.low, member.number))


class Population:
    """A bounded set of members and how many children each has.

    Args:
        kept: how many stay, those with the highest lower bounds.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._members: dict[int, Member] = {}
        self._children: dict[int, int] = {}

    def tell(self, member: Member) -> None:
        """Take one in, or its new estimate; whoever is worst may have to go."""
        self._members[member.number] = member
        if len(self._members) > self._kept:
            self.drop(self.ranked()[-1].number)

    def drop(self, number: int) -> None:
        """Forget one."""
        self._members.pop(number, None)
        self._children.pop(number, None)

    def bred(self, parent: int) -> None:
        """Count a child of somebody who is still here."""
        if parent in self._members:
            self._children[parent] = self._children.get(parent, 0) + 1

    def children(self, number: int) -> int:
        """How many children were registered since the member came in."""
        return self._children.get(number, 0)

    def ranked(self) -> list[Member]:
        """Everybody, best first."""
        return best_first(self._members.values())

    def leaders(self, count: int) -> list[int]:
        """Numbers of the best."""
        return [member.number for member in self.ranked()[:count]]
