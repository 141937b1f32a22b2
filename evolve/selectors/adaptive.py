"""``adaptive``: islands of elites and behaviour cells, parents by lower bound and few children, and more
exploration when nothing gets better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from statistics import median

from evolve.selectors.island import Island
from evolve.selectors.population import best_first
from evolve.selectors.protocol import Choice, Member

ISLANDS = 3
"""At most; more of them thin out a short search."""

ISLAND_EVERY = 100
"""Candidates after which a further island opens."""

MIGRATION_EVERY = 20
"""Candidates between migrations."""

PLATEAU = 60
"""Candidates without a new leader after which an island opens, or the worst one begins anew."""

LEADING_SHARE = 0.7
"""Probability that the parent comes from the leader's island; any island, with equal chances, else."""

BREEDERS = 3
"""The best of an island, from whom parents are drawn by weight."""

SHARPNESS = 6.0
EXPLORE_START = 0.10
EXPLORE_FLOOR = 0.03
EXPLORE_DECAY = 40.0
EXPLORE_RISE = 0.005
EXPLORE_MOST = 0.4
PATIENCE = 25
INSPIRATIONS = 4


class Adaptive:
    """Keeps islands, and draws a parent from one of them.

    A parent is one of the `BREEDERS` best of its island, with weight
    ``sigmoid(SHARPNESS * (low - median) / MAD) / (1 + children)``, median and MAD (median absolute deviation) over
    these. With the probability `exploration` it is anybody of the island with equal chances: its elites, and whoever
    is best in a cell of behaviour.

    There is one island at first, and a further one every `ISLAND_EVERY` candidates. Seeds live on all of them, a child
    where its parent does. Every `MIGRATION_EVERY` candidates the best of each island settles on the next one too, in a
    ring. After `PLATEAU` candidates without a new leader a further island opens, or where there are `islands` the
    worst one begins anew, from the seeds: what leads has been developed in vain long enough to try another way, and
    migration brings the best of the others there soon.

    Time is counted in candidates: measured ones by their numbers, failed ones as children that were registered.

    Args:
        islands: at most; 1 for a single population.

    Raises:
        ValueError: fewer than one island.
    """

    def __init__(self, *, islands: int = ISLANDS) -> None:
        if islands < 1:
            raise ValueError(f"islands must be at least 1 (1 is a single population), got {islands}")
        self._most = islands
        self._islands = [Island()]
        self._seeds: dict[int, Member] = {}
        self._children: dict[int, int] = {}
        self._bred = 0
        self._clock = 0
        self._migrated = 0
        self._progress = 0
        self._renewed = 0

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        leader = self._leader()
        if member.is_seed:
            self._seeds[member.number] = member
        for island in self._homes(member):
            island.tell(member)
        self._clock = max(self._clock, member.number)
        if self._leader() == member.number != leader:
            self._progress = self._clock
        self._develop()
        self._forget()

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        self._seeds.pop(number, None)
        for island in self._islands:
            island.drop(number)
        self._forget()

    def bred(self, parent: int) -> None:
        """See `Selector.bred`."""
        self._bred += 1
        self._clock = max(self._clock, self._bred)
        if any(parent in island for island in self._islands):
            self._children[parent] = self._children.get(parent, 0) + 1

    def choose(self, rng: Random) -> Choice | None:
        """See `Selector.choose`. Half the inspirations are the best of the island, the others are drawn from it."""
        members = self._draw_island(rng).ranked()
        if not members:
            return None
        if rng.random() < self.exploration:
            parent = rng.choice(members)
        else:
            breeders = members[:BREEDERS]
            parent = rng.choices(breeders, weights=self._weights(breeders))[0]
        others = [member.number for member in members if member.number != parent.number]
        best, rest = others[: INSPIRATIONS // 2], others[INSPIRATIONS // 2 :]
        chosen = {*best, *rng.sample(rest, min(INSPIRATIONS - len(best), len(rest)))}
        return Choice(parent=parent.number, inspirations=tuple(n for n in reversed(others) if n in chosen))

    def neighbours(self, parent: int) -> list[int]:
        """See `Selector.neighbours`: everybody on the islands where that parent lives, on all if it lives nowhere."""
        return _numbers([island for island in self._islands if parent in island] or self._islands)

    def leaders(self, count: int) -> list[int]:
        """See `Selector.leaders`."""
        return _numbers(self._islands)[:count]

    @property
    def exploration(self) -> float:
        """Probability of drawing a parent uniformly, in 0..1: decays with time, rises while there is no new leader."""
        decayed = EXPLORE_FLOOR + (EXPLORE_START - EXPLORE_FLOOR) * math.exp(-self._clock / EXPLORE_DECAY)
        stale = max(0, self._clock - self._progress - PATIENCE)
        return min(EXPLORE_MOST, decayed + EXPLORE_RISE * stale)

    @property
    def islands(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of those who live on each island, best first."""
        return tuple(tuple(_numbers([island])) for island in self._islands)

    # -- choosing ------------------------------------------------------------------------------------

    def _draw_island(self, rng: Random) -> Island:
        if len(self._islands) > 1 and rng.random() >= LEADING_SHARE:
            return rng.choice(self._islands)
        return max(self._islands, key=_standing)

    def _weights(self, breeders: Sequence[Member]) -> list[float]:
        middle = median(member.low for member in breeders)
        spread = median(abs(member.low - middle) for member in breeders) or 1.0
        return [
            _sigmoid(SHARPNESS * (member.low - middle) / spread) / (1 + self._children.get(member.number, 0))
            for member in breeders
        ]

    # -- islands -------------------------------------------------------------------------------------

    def _homes(self, member: Member) -> list[Island]:
        """Where somebody lives already; a seed everywhere, a child on one of the islands of its parent."""
        homes = [island for island in self._islands if member.number in island]
        if homes:
            return homes
        if member.is_seed:
            return self._islands
        homes = [island for island in self._islands if member.parent is not None and member.parent in island]
        choice = homes or self._islands
        return [choice[member.number % len(choice)]]

    def _develop(self) -> None:
        """Open an island, renew the worst, let the best migrate: whatever it is time for."""
        is_stale = self._clock - max(self._progress, self._renewed) >= PLATEAU
        if len(self._islands) < self._most and (is_stale or self._clock >= ISLAND_EVERY * len(self._islands)):
            self._islands.append(self._colony())
            self._renewed = self._clock
        elif is_stale and len(self._islands) > 1:
            worst = min(range(len(self._islands)), key=lambda index: _standing(self._islands[index]))
            self._islands[worst] = self._colony()
            self._renewed = self._clock
        if self._clock - self._migrated >= MIGRATION_EVERY:
            self._migrated = self._clock
            self._migrate()

    def _colony(self) -> Island:
        island = Island()
        for seed in self._seeds.values():
            island.tell(seed)
        return island

    def _migrate(self) -> None:
        bests = [island.best() for island in self._islands]
        for index, best in enumerate(bests):
            if best is not None:
                self._islands[(index + 1) % len(bests)].tell(best)

    def _leader(self) -> int | None:
        bests = best_first(best for island in self._islands if (best := island.best()))
        return bests[0].number if bests else None

    def _forget(self) -> None:
        """Children of whoever lives nowhere any more need not be counted."""
        for number in [n for n in self._children if not any(n in island for island in self._islands)]:
            del self._children[number]


def _numbers(islands: Sequence[Island]) -> list[int]:
    """Numbers of those on any of these islands, best first."""
    members = {member.number: member for island in islands for member in island.ranked()}
    return [member.number for member in best_first(members.values())]


def _standing(island: Island) -> list[float]:
    """What islands are ranked by: migration gives all of them the same best soon, so the next ones settle it."""
    return [member.low for member in island.ranked()[:BREEDERS]]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, x))))
