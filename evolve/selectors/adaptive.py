"""``adaptive``: elites by lower bound and by behaviour, parents by rank and few children, exploration on stagnation."""

from __future__ import annotations

import math
from random import Random
from statistics import median

from evolve.selectors.protocol import Choice, Member

ELITES = 12
INSPIRATIONS = 4
SHARPNESS = 2.0
EXPLORE_FLOOR = 0.10
EXPLORE_START = 0.40
EXPLORE_DECAY = 60.0
PATIENCE = 40


class Adaptive:
    """A bounded population: the `ELITES` best lower bounds and the best of every behaviour cell.

    A parent's weight is ``sigmoid(SHARPNESS * (low - median) / MAD) / (1 + children)``. With probability
    epsilon a member is drawn uniformly instead; epsilon decays with the evaluations and rises again while
    no new leader has been found for `PATIENCE` evaluations.
    """

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}
        self._elites: set[int] = set()
        self._cells: dict[tuple[int, ...], int] = {}
        self._children: dict[int, int] = {}
        self._told = 0
        self._since_leader = 0
        self._leader_low = -math.inf

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        self._told += 1
        self._since_leader += 1
        if member.low > self._leader_low:
            self._leader_low = member.low
            self._since_leader = 0
        self._forget(member.number)
        self._members[member.number] = member
        self._elites.add(member.number)
        if len(self._elites) > ELITES:
            self._elites.remove(min(self._elites, key=self._rank))
        holder = self._cells.get(member.cell)
        if holder is None or self._rank(member.number) > self._rank(holder):
            self._cells[member.cell] = member.number
        kept = self._elites | set(self._cells.values())
        for number in [n for n in self._members if n not in kept]:
            del self._members[number]
            self._children.pop(number, None)

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._forget(number)
        self._members.pop(number, None)
        self._children.pop(number, None)
        self._leader_low = max((member.low for member in self._members.values()), default=-math.inf)

    def bred(self, parent: int) -> None:
        """See `Selector.bred`."""
        if parent in self._members:
            self._children[parent] = self._children.get(parent, 0) + 1

    def choose(self, rng: Random) -> Choice | None:
        """See `Selector.choose`."""
        if not self._members:
            return None
        members = sorted(self._members.values(), key=lambda m: (m.low, -m.number))
        if rng.random() < self.exploration:
            parent = rng.choice(members)
        else:
            parent = rng.choices(members, weights=self._weights(members))[0]
        others = [member for member in members if member.number != parent.number]
        chosen = rng.sample(others, min(INSPIRATIONS, len(others)))
        chosen.sort(key=lambda m: (m.low, -m.number))
        return Choice(parent=parent.number, inspirations=tuple(m.number for m in chosen))

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        ranked = sorted(self._members.values(), key=lambda m: (-m.low, m.number))
        return [member.number for member in ranked[:count]]

    @property
    def exploration(self) -> float:
        """Probability of drawing a parent uniformly, in 0..1."""
        decayed = EXPLORE_FLOOR + (EXPLORE_START - EXPLORE_FLOOR) * math.exp(-self._told / EXPLORE_DECAY)
        stale = max(0, self._since_leader - PATIENCE)
        return min(0.5, decayed + 0.005 * stale)

    def _weights(self, members: list[Member]) -> list[float]:
        lows = [member.low for member in members]
        middle = median(lows)
        spread = median(abs(low - middle) for low in lows) or 1.0
        return [
            1
            / (1 + math.exp(-max(-30.0, min(30.0, SHARPNESS * (member.low - middle) / spread))))
            / (1 + self._children.get(member.number, 0))
            for member in members
        ]

    def _rank(self, number: int) -> tuple[float, int]:
        return self._members[number].low, -number

    def _forget(self, number: int) -> None:
        """Take a member out of elites and cells: it is gone, or will be told again with a new estimate."""
        self._elites.discard(number)
        for cell in [cell for cell, holder in self._cells.items() if holder == number]:
            del self._cells[cell]
