"""The rules of orders and hand-ins. It reads the archive only, so any thread may ask; the driver's answer counts."""

from __future__ import annotations

from collections.abc import Sequence

from db.archive import Archive
from db.records import ArchiveError, OrderState, Purpose
from evaluators.model import Evaluation
from evaluators.program import ProgramError, normalised_digest
from evolve.external.allowance import Allowance
from evolve.external.model import Fault, HandIn, Refused

ASK_AGAIN = "ask for a new order, or hand in without a ticket"
MORE_BUDGET = "whoever serves the run can go on with a larger budget: evolve serve --run RUN --evaluations N"


class Ledger:
    """Says what becomes of a request by what the archive holds.

    Args:
        archive: where orders and candidates are.
        run_id: the run.
        entry: the function that a program defines.
        allowance: what is left of its budget.
    """

    def __init__(self, archive: Archive, run_id: int, entry: str, allowance: Allowance) -> None:
        self._archive = archive
        self._run_id = run_id
        self._entry = entry
        self._allowance = allowance

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

    def no_more(self) -> Refused | None:
        """Why nothing more is judged in this sitting; None while something is."""
        spent = self._allowance.spent()
        return Refused(fault=Fault.SPENT, what=spent, hint=MORE_BUDGET) if spent else None

    def refusal(self, hand_in: HandIn, reason: str) -> Refused:
        """Why the search did not take a program, and which candidate it repeats if that is why."""
        try:
            same = self._archive.has_digest(self._run_id, normalised_digest(hand_in.program, entry=self._entry))
        except ProgramError:
            same = None
        still = "" if hand_in.ticket is None else f"; order {hand_in.ticket} stays open"
        if same is not None:
            return Refused(
                fault=Fault.DUPLICATE,
                what=reason,
                hint=f"hand in a program that does something else{still}",
                candidate=same,
            )
        return Refused(fault=Fault.UNUSABLE, what=reason, hint=f"mend the program and hand it in again{still}")

    def parents(self, hand_in: HandIn, best_seeds: Sequence[int]) -> tuple[int, ...]:
        """Whose child a program is: as its author says, else the order's parent, else the best seed."""
        if hand_in.parents:
            return hand_in.parents
        if hand_in.ticket is not None:
            return (self._archive.order(self._run_id, hand_in.ticket).parent,)
        return tuple(best_seeds[:1])

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


def first_verdict(archive: Archive, run_id: int, number: int) -> Evaluation | None:
    """The first verdict on a candidate, on train workloads; None while that is under way."""
    records = archive.evaluations(run_id, number)
    return next((record.evaluation for record in records if record.planned.purpose is Purpose.SEARCH), None)
