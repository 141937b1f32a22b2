"""Who is called best, who may challenge for that, and on which workloads the two meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db.records import Planned, Purpose
from evaluators.model import Split
from evolve.memory import Record, advantage

SEEDS_BLOCK = 0
"""The validation block that all unmodified starting programs and all who would lead meet; duels draw their own."""

SPACING = 10
"""How many verdicts each duel is worth, for it costs two evaluations and a newly marked block; what is saved keeps."""

PAST_KEPT = 8
"""How many former champions stay in mind, for the case that the present one fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """A challenger and the champion on a validation block that no candidate has met before."""

    block: int
    challenger: int
    champion: int

    @property
    def planned(self) -> list[Planned]:
        """The two evaluations."""
        return [
            Planned(number=number, purpose=Purpose.CONFIRM, split=Split.VALIDATION, block=self.block)
            for number in (self.challenger, self.champion)
        ]


class Title:
    """The title of best candidate. Its state is a function of what it was told.

    A candidate may challenge when the train workloads that it shares with the champion show it to be better with
    95 % confidence, and the validation block on which leaders are tried does not speak against it. Both then meet a
    new validation block, and it takes the title only if it is shown to be better there too. One duel at a time, the
    most promising challenger first, and nobody twice against one champion.

    Args:
        records: what is remembered, kept up to date by the owner.
    """

    def __init__(self, records: Mapping[int, Record]) -> None:
        self._records = records
        self._best: int | None = None
        self._past: list[int] = []
        self._waiting: set[int] = set()
        self._refused: set[int] = set()
        self._duel: Duel | None = None
        self._next_block = SEEDS_BLOCK + 1
        self._duels = 0

    @property
    def best(self) -> int | None:
        """Number of the candidate called best; None until the seeds were measured."""
        return self._best

    @property
    def kept(self) -> set[int]:
        """Numbers of those who must stay in mind."""
        duel = {self._duel.challenger, self._duel.champion} if self._duel else set()
        return {*self._past, *duel} | ({self._best} if self._best is not None else set())

    def note(self, planned: Planned) -> None:
        """Learn that a validation block is in use."""
        if planned.split is Split.VALIDATION:
            self._next_block = max(self._next_block, planned.block + 1)

    def crown(self, number: int) -> None:
        """Call somebody best."""
        if self._best is not None:
            former = [past for past in self._past if past != number]
            self._past = [*former[-PAST_KEPT:], self._best]
        self._best = number
        self._refused.clear()
        self.reconsider()

    def consider(self, number: int) -> None:
        """Somebody has new train evidence: does it make a challenger?"""
        if number == self._best:
            self.reconsider()
        elif self._is_promising(number):
            self._waiting.add(number)
        else:
            self._waiting.discard(number)

    def reconsider(self) -> None:
        """The champion has changed, or has new evidence: who challenges now?"""
        self._waiting = {number for number in self._records if self._is_promising(number)}

    def next_duel(self, told: int) -> Duel | None:
        """Begin the next duel if it is time for one.

        Args:
            told: how many verdicts the search has had.
        """
        if self._duel is not None or self._best is None or self._duels > told / SPACING:
            return None
        self._waiting &= self._records.keys()
        if not self._waiting:
            return None
        challenger = max(self._waiting, key=lambda number: (self._records[number].merit, -number))
        self._waiting.remove(challenger)
        # Those forgotten since can never come back, so the set stays as small as the memory.
        self._refused = (self._refused & self._records.keys()) | {challenger}
        self._duel = Duel(block=self._next_block, challenger=challenger, champion=self._best)
        self._next_block += 1
        self._duels += 1
        return self._duel

    def settle(self, block: int) -> None:
        """Decide a duel once both were measured."""
        duel = self._duel
        if duel is None or duel.block != block:
            return
        challenger, champion = (self._records[number] for number in (duel.challenger, duel.champion))
        if block not in challenger.validation or block not in champion.validation:
            return
        self._duel = None
        # Only the new block counts: what has been seen before is what made the challenger a challenger.
        lead = advantage(challenger, champion, Split.VALIDATION, block=block)
        if lead is not None and lead.low > 0:
            self.crown(duel.challenger)

    def drop(self, number: int) -> None:
        """Somebody failed: who was the best before takes the title back, and a duel with it is void.

        The owner has forgotten the record already.
        """
        self._waiting.discard(number)
        if self._duel and number in (self._duel.challenger, self._duel.champion):
            self._duel = None
        if number != self._best:
            return
        self._best = None
        while self._past and self._best is None:
            former = self._past.pop()
            self._best = former if former in self._records else None
        self._refused.clear()
        self.reconsider()

    def _is_promising(self, number: int) -> bool:
        if self._best is None or number == self._best or number in self._refused:
            return False
        record, best = self._records[number], self._records[self._best]
        if record.is_seed or not record.validation:
            return False
        lead = advantage(record, best, Split.TRAIN)
        tried = advantage(record, best, Split.VALIDATION, block=SEEDS_BLOCK)
        return lead is not None and lead.low > 0 and (tried is None or tried.mean > 0)
