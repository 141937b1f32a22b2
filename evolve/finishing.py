"""After the search: what can be left out of the winner without a loss of score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db.archive import Archive
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Clock
from evolve.desk import AtOnceDesk, Draft, Written
from evolve.drafting import SIMPLIFY
from evolve.proposal import Proposal
from evolve.simplify import Simplifier, keeps_the_score, size

EVALUATIONS = 24
"""How many smaller programs are judged at most."""

TIME_SHARE = 0.1
"""How much of the search's time that may take at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """A candidate that is another one with something left out, and no worse on train workloads."""

    number: int
    original: int


class SimplifyingDesk(AtOnceDesk):
    """Writes smaller and smaller versions of one candidate; implements `evolve.desk.Desk`.

    Args:
        archive: what is known of programs that were tried before.
        run_id: which run.
        number: the candidate.
        simplifier: proposes what to leave out next.
        known: number of the candidate with a program's digest; None for a new one.
        clock: in seconds; only differences count.
        seconds: how long to go on.
    """

    def __init__(
        self,
        archive: Archive,
        run_id: int,
        number: int,
        simplifier: Simplifier,
        *,
        known: Callable[[str], int | None],
        clock: Clock,
        seconds: float,
    ) -> None:
        super().__init__(self._smaller)
        self._archive = archive
        self._run_id = run_id
        self._number = number
        self._simplifier = simplifier
        self._known = known
        self._clock = clock
        self._ends = clock() + seconds
        self._left = EVALUATIONS
        self._awaited: int | None = None
        self._smallest: int | None = None
        self._next: str | None = None
        self._theirs = {
            record.planned.block: record.evaluation
            for record in archive.evaluations(run_id, number)
            if record.planned.split is Split.TRAIN and record.evaluation is not None
        }
        self._look_ahead()

    @property
    def result(self) -> Simplified | None:
        """The smallest program that kept the score, if anything could be left out."""
        if self._smallest is None:
            return None
        return Simplified(number=self._smallest, original=self._number)

    @property
    def wants(self) -> bool:
        """Whether there is something to leave out, and the last try is decided."""
        return self._next is not None and self._awaited is None and not self._written

    @property
    def finished(self) -> str:
        """Set when nothing is left to try."""
        return "" if self._next is not None or self._awaited is not None else "nothing more can be left out"

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """A program that was tried in an earlier sitting has its verdict already."""
        del written, reason
        self._awaited = number
        if number is None:
            self._decide_again()

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """Go on from it if it kept the score."""
        if number == self._awaited and of_search:
            self._awaited = None
            self._left -= 1
            self._decide(number, evaluation)

    def wind_down(self) -> None:
        """Begin nothing more."""
        self._next = None

    def cancel(self) -> None:
        """Begin nothing more."""
        self._next = None

    def _smaller(self, draft: Draft) -> Proposal:
        """The next smaller program, whatever the draft selects."""
        del draft
        assert self._next is not None
        smaller, before = size(self._next), size(self._simplifier.current)
        return Proposal(
            source=self._next,
            proposer=SIMPLIFY,
            operator="simplify",
            parents=(self._number,),
            note=f"{before - smaller} of {before} syntax nodes left out: {self._simplifier.note}",
        )

    def _decide_again(self) -> None:
        """The program is in the run already: its verdict on train workloads that the original met counts."""
        number = self._known(self._next or "")
        known = self._archive.candidate(self._run_id, number) if number is not None else None
        if known is not None and known.proposer == SIMPLIFY and known.parents == (self._number,):
            for record in self._archive.evaluations(self._run_id, known.number):
                if record.evaluation is not None and record.planned.split is Split.TRAIN:
                    self._left -= 1  # an earlier sitting paid for it
                    self._decide(known.number, record.evaluation)
                    return
        self._simplifier.tell(False)
        self._look_ahead()

    def _decide(self, number: int, evaluation: Evaluation) -> None:
        theirs = self._theirs.get(evaluation.block)
        kept = evaluation.outcome is Outcome.OK and theirs is not None and keeps_the_score(evaluation, theirs)
        self._simplifier.tell(kept)
        if kept:
            self._smallest = number
        self._look_ahead()

    def _look_ahead(self) -> None:
        over = self._left <= 0 or self._clock() >= self._ends
        self._next = None if over else self._simplifier.next()
