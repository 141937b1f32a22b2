"""``pareto``: whoever is best on some kind of workload survives, and fathers more the more kinds it leads on."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from evolve.selectors.population import best_first
from evolve.selectors.protocol import Choice, Member

DEPTH = 3
KEPT_BY_LOW = 8
KINDS = 32
INSPIRATIONS = 4


class Pareto:
    """The `DEPTH` best on every kind and the `KEPT_BY_LOW` best by lower bound.

    A parent is drawn with probability proportional to the number of kinds where nobody is better. The overall lower
    bound counts as one kind more: it decides alone where kinds are not told. The others of `DEPTH` and `KEPT_BY_LOW`
    step in when a leader falls back or is dropped.
    """

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        self._members[member.number] = member
        everybody = best_first(self._members.values())
        kept = {each.number for each in everybody[:KEPT_BY_LOW]}
        for kind in _kinds(everybody):
            kept.update(each.number for each in _best_on(kind, everybody)[:DEPTH])
        self._members = {number: each for number, each in self._members.items() if number in kept}

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._members.pop(number, None)

    def bred(self, parent: int) -> None:
        """Children change nothing here."""

    def choose(self, rng: Random) -> Choice | None:
        """One of those who lead on something, with others of them and the next best overall to learn from."""
        if not self._members:
            return None
        wins = self.wins()
        fronts = sorted(wins)
        parent = rng.choices(fronts, weights=[wins[number] for number in fronts])[0]
        others = [number for number in fronts if number != parent]
        chosen = set(rng.sample(others, min(INSPIRATIONS, len(others))))
        for number in self.leaders(1 + INSPIRATIONS):
            if len(chosen) < INSPIRATIONS and number != parent:
                chosen.add(number)
        worst_first = reversed(best_first(self._members[number] for number in chosen))
        return Choice(parent=parent, inspirations=tuple(member.number for member in worst_first))

    def wins(self) -> dict[int, int]:
        """On how many kinds each of the frontier is best, the overall lower bound included; ties count for all."""
        everybody = best_first(self._members.values())
        wins = {everybody[0].number: 1} if everybody else {}
        for kind in _kinds(everybody):
            ranked = _best_on(kind, everybody)
            for member in ranked:
                if member.kinds[kind] < ranked[0].kinds[kind]:
                    break
                wins[member.number] = wins.get(member.number, 0) + 1
        return wins

    def neighbours(self, parent: int) -> list[int]:  # noqa: ARG002 - there is one population
        """Everybody."""
        return self.leaders(len(self._members))

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        return [member.number for member in best_first(self._members.values())[:count]]


def _kinds(members: Iterable[Member]) -> list[str]:
    """Names of the kinds that anybody was measured on, in an order that does not depend on who came first."""
    return sorted({kind for member in members for kind in member.kinds})[:KINDS]


def _best_on(kind: str, ranked: Iterable[Member]) -> list[Member]:
    """Those measured on a kind, best first; of equals the one with the higher lower bound overall."""
    return sorted((member for member in ranked if kind in member.kinds), key=lambda member: -member.kinds[kind])
