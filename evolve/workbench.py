"""Offline proposers side by side at one desk, and together with language models at another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluators.model import Evaluation
from evolve.bandit.arm import Arm, Offer
from evolve.desk import AtOnceDesk, Desk, Draft, Trial, Written
from evolve.drafting import TUNER
from evolve.guard import FAULTS, told
from evolve.proposal import Proposal, ProposalError, Selection
from evolve.proposers.operators import WEIGHTS, Operators
from evolve.proposers.tuner.tuner import Tuner

OPERATORS = "operators"

TUNER_SHARE = 0.25
"""Of the first pulls, those that tune constants where some are marked."""

OFFLINE_SHARE = 0.5
"""Of the first pulls where language models write too, those that cost no request."""


class Workbench(AtOnceDesk):
    """Operators and tuner, which answer at once; implements `evolve.desk.Desk`.

    Args:
        operators: change syntax trees; None where they are left out.
        tuner: tunes marked constants; None where that is left out.
        share: weight of all its offers together; the tuner has `TUNER_SHARE` of the whole, whatever this is.
    """

    def __init__(self, operators: Operators | None, tuner: Tuner | None, *, share: float = 1.0) -> None:
        if operators is None and tuner is None:
            raise ValueError("a workbench needs operators or a tuner")
        super().__init__(self._guarded)
        self._operators = operators
        self._tuner = tuner
        self._share = share

    @property
    def offers(self) -> Sequence[Offer]:
        """Every operator, and the tuner once there is something to tune."""
        tunes = self._tuner is not None and self._tuner.has_studies
        total = sum(WEIGHTS.values())
        mutation = self._share - (TUNER_SHARE if tunes else 0.0)
        offers = []
        if self._operators is not None:
            offers = [
                Offer(arm=Arm(proposer=OPERATORS, operator=name), weight=mutation * weight / total)
                for name, weight in WEIGHTS.items()
                if weight > 0
            ]
        if tunes:
            offers.append(Offer(arm=Arm(proposer=TUNER, operator="tune"), weight=TUNER_SHARE))
        return offers

    def _guarded(self, draft: Draft) -> Proposal:
        """Write a program; one that is strange enough to show a fault of ours costs this draft and not the run."""
        try:
            return self._proposed(draft)
        except FAULTS as error:
            who = TUNER if draft.arm is not None and draft.arm.proposer == TUNER else OPERATORS
            number = draft.selection.parent.number
            raise ProposalError(f"{who} failed on candidate {number}: {told(error)}") from error

    def _proposed(self, draft: Draft) -> Proposal:
        arm = draft.arm
        if self._tuner is not None and arm is not None and arm.proposer == TUNER:
            return self._tuner.propose(_tunable(draft.selection, self._tuner), draft.context)
        if self._operators is None:
            assert self._tuner is not None
            return self._tuner.propose(draft.selection, draft.context)
        return self._operators.propose(draft.selection, draft.context, operator=arm.operator if arm else "")


def _tunable(selection: Selection, tuner: Tuner) -> Selection:
    """The selection with the best of its programs that have something to tune as the parent, if there is one."""
    for material in (selection.parent, *reversed(selection.inspirations)):
        if tuner.can_tune(material.source):
            return replace(selection, parent=material)
    return selection


class SharedDesk:
    """A desk that takes its time and a workbench: each gets the drafts whose arms are its own.

    Args:
        slow: such as language models.
        bench: answers at once.
    """

    def __init__(self, slow: Desk, bench: Workbench) -> None:
        self._slow = slow
        self._bench = bench

    @property
    def slots(self) -> int:
        """Those of the slow one."""
        return self._slow.slots

    @property
    def offers(self) -> Sequence[Offer]:
        """What both can do now."""
        return [*self._slow.offers, *self._bench.offers]

    @property
    def under_way(self) -> int:
        """Drafts at both."""
        return self._slow.under_way + self._bench.under_way

    @property
    def wants(self) -> bool:
        """Only while the slow one is free, or all would go to the bench and none to whom the bandit would choose."""
        return self._slow.wants

    @property
    def finished(self) -> str:
        """See `evolve.desk.Desk`."""
        return self._slow.finished

    def submit(self, draft: Draft) -> None:
        """See `evolve.desk.Desk`."""
        desk: Desk = self._bench if draft.arm and draft.arm.proposer in {OPERATORS, TUNER} else self._slow
        desk.submit(draft)

    def next_written(self, timeout_seconds: float) -> Written | None:
        """See `evolve.desk.Desk`."""
        return self._bench.next_written(0.0) or self._slow.next_written(timeout_seconds)

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """See `evolve.desk.Desk`."""
        if written.ticket is not None:
            self._slow.settle(written, number, reason)

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """See `evolve.desk.Desk`."""
        self._slow.recorded(number, evaluation, of_search=of_search)

    def next_trial(self) -> Trial | None:
        """See `evolve.desk.Desk`."""
        return self._slow.next_trial()

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """See `evolve.desk.Desk`."""
        self._slow.tried(key, evaluation, failure)

    def wind_down(self) -> None:
        """See `evolve.desk.Desk`."""
        self._slow.wind_down()

    def cancel(self) -> None:
        """See `evolve.desk.Desk`."""
        self._slow.cancel()

    def close(self) -> None:
        """See `evolve.desk.Desk`."""
        self._slow.close()
