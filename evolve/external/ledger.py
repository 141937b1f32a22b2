"""The rules of orders and hand-ins. It reads the archive only, so any thread may ask; the driver's answer counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from db.archive import Archive
from db.records import ArchiveError, OrderState, Purpose
from evaluators.model import Evaluation
from evaluators.problem import Declaration
from evaluators.program import ProgramError, normalised_digest
from evaluators.screen import screen_by
from evolve.external.allowance import Allowance
from evolve.external.model import Fault, HandIn, Refused

ASK_AGAIN = "ask for a new order, or hand in without a ticket"
MORE_BUDGET = "whoever serves the run can go on with a larger budget: evolve serve --run RUN --evaluations N"


class Ledger:
    """Says what becomes of a request by what the archive holds.

    Args:
        archive: where orders and candidates are.
        run_id: the run.
        facts: what a program must look like.
        allowance: what is left of its budget.
        now: the clock that orders expire by.
    """

    def __init__(
        self, archive: Archive, run_id: int, facts: Declaration, allowance: Allowance, now: Callable[[], datetime]
    ) -> None:
        self._archive = archive
        self._run_id = run_id
        self._facts = facts
        self._allowance = allowance
        self._now = now

    def settled_by(self, hand_in: HandIn) -> int | None:
        """The candidate that this very hand-in became earlier: who sends the same again gets the same answer."""
        if hand_in.ticket is None:
            return None
        try:
            number = self._archive.order(self._run_id, hand_in.ticket).number
        except ArchiveError:
            return None
        if number is None or self._archive.candidate(self._run_id, number).source != hand_in.program:
            return None
        return number

    def verdict(self, number: int) -> Evaluation | None:
        """The first verdict on a candidate, if it is recorded."""
        return first_verdict(self._archive, self._run_id, number)

    def objection(self, hand_in: HandIn) -> Refused | None:
        """Why a program cannot be judged, as far as its text does not matter; None if nothing speaks against it."""
        if hand_in.ticket is not None and (refused := self._ticket(hand_in.ticket)):
            return refused
        candidates = self._archive.run_by_id(self._run_id).candidates
        unknown = [number for number in hand_in.parents if not 0 <= number < candidates]
        if unknown:
            return Refused(
                fault=Fault.UNKNOWN,
                what=f"the run has no candidate {unknown[0]} that could be a parent; it holds 0 to {candidates - 1}",
                hint="name the candidates that the program was made of, or none",
            )
        return self.no_more()

    def first_objection(self, hand_in: HandIn) -> Refused | None:
        """Why a program is not even queued; None if nothing speaks against it.

        That an order is somebody else's counts now only: a program that came in time may wait until its order expires.
        """
        if refused := self.objection(hand_in) or self._not_yours(hand_in):
            return refused
        reason = screen_by(self._facts, hand_in.program)
        return _unusable(hand_in, f"the program {reason}") if reason else None

    def no_more(self) -> Refused | None:
        """Why nothing more is judged in this sitting; None while something is."""
        spent = self._allowance.spent()
        return Refused(fault=Fault.SPENT, what=spent, hint=MORE_BUDGET) if spent else None

    def refusal(self, hand_in: HandIn, reason: str) -> Refused:
        """Why the search did not take a program, and which candidate it repeats if that is why."""
        try:
            same = self._archive.has_digest(self._run_id, normalised_digest(hand_in.program, entry=self._facts.entry))
        except ProgramError:
            same = None
        if same is not None:
            return Refused(
                fault=Fault.DUPLICATE,
                what=reason,
                hint=f"hand in a program that does something else{_still_open(hand_in)}",
                candidate=same,
            )
        return _unusable(hand_in, reason)

    def parents(self, hand_in: HandIn, best_seeds: Sequence[int]) -> tuple[int, ...]:
        """Whose child a program is: as its author says, else the order's parent, else the best seed."""
        if hand_in.parents:
            return hand_in.parents
        if hand_in.ticket is not None:
            return (self._archive.order(self._run_id, hand_in.ticket).parent,)
        return tuple(best_seeds[:1])

    def _not_yours(self, hand_in: HandIn) -> Refused | None:
        if hand_in.ticket is None:
            return None
        order = self._archive.order(self._run_id, hand_in.ticket)
        if order.asker == hand_in.asker or order.expires <= self._now():
            return None
        return Refused(
            fault=Fault.NOT_YOURS,
            what=f"until {order.expires:%H:%M} UTC order {order.ticket} is that of {order.asker}, not {hand_in.asker}",
            hint=f"give the name that the order was asked for with; else {ASK_AGAIN}",
        )

    def _ticket(self, ticket: int) -> Refused | None:
        try:
            order = self._archive.order(self._run_id, ticket)
        except ArchiveError:
            return Refused(fault=Fault.UNKNOWN, what=f"the run has no order {ticket}", hint=ASK_AGAIN)
        if order.state is OrderState.OPEN:
            return None
        became = f"candidate {order.number} came of it" if order.number is not None else "what came of it was refused"
        return Refused(
            fault=Fault.SETTLED,
            what=f"order {ticket} is settled already: {became}",
            hint=ASK_AGAIN,
            candidate=order.number,
        )


def _unusable(hand_in: HandIn, reason: str) -> Refused:
    return Refused(
        fault=Fault.UNUSABLE, what=reason, hint=f"mend the program and hand it in again{_still_open(hand_in)}"
    )


def _still_open(hand_in: HandIn) -> str:
    return "" if hand_in.ticket is None else f"; order {hand_in.ticket} stays open"


def first_verdict(archive: Archive, run_id: int, number: int) -> Evaluation | None:
    """The first verdict on a candidate, on train workloads; None while that is under way."""
    records = archive.evaluations(run_id, number)
    return next((record.evaluation for record in records if record.planned.purpose is Purpose.SEARCH), None)
