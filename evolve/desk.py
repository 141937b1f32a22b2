"""Where programs are written: behind one protocol, whether that takes a millisecond or a week."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from db.records import Note
from evaluators.model import Evaluation
from evolve.bandit.arm import Arm, Offer
from evolve.proposal import Context, Proposal, ProposalError, Proposer, Selection


class DeskError(RuntimeError):
    """No program can come any more, such as for a wrong key; the message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A program to be written: from what, what is known of the problem, and by whom; no arm where one writes all."""

    selection: Selection
    context: Context
    arm: Arm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of a draft.

    Args:
        proposal: the program; None where none came of it.
        reason: why there is none, in one line.
        ticket: the draft's number in the archive; None where it has none.
        notes: what later prompts should know; those without a number get that of the candidate, if it becomes one.
        arm: the arm of the draft; None where it had none.
        tokens: what was read and written for it by language models.
        cost: what that cost in US dollars, as far as the price is known.
    """

    proposal: Proposal | None = None
    reason: str = ""
    ticket: int | None = None
    notes: tuple[Note, ...] = ()
    arm: Arm | None = None
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A program that somebody wants to try out before it is handed in: on one smoke workload, kept nowhere."""

    key: int
    source: str


class Desk(Protocol):
    """Takes drafts and gives back programs, in any order. Called by one thread only."""

    @property
    def slots(self) -> int:
        """How many drafts it works on at the same time beside the judging; 0 for one that answers at once."""

    @property
    def offers(self) -> Sequence[Offer]:
        """What it can do now, for a bandit to choose from; nothing where it does one thing only."""

    @property
    def under_way(self) -> int:
        """How many programs may still come of the drafts that it holds, and so need an evaluation each."""

    @property
    def wants(self) -> bool:
        """Whether it takes a draft now."""

    @property
    def finished(self) -> str:
        """Why it will never take a draft again, such as a spent budget; empty while it may."""

    def submit(self, draft: Draft) -> None:
        """Take a draft; returns at once, or with a program ready."""

    def next_written(self, timeout_seconds: float) -> Written | None:
        """The next that came of a draft; None when nothing did in time or nothing is under way.

        Raises:
            DeskError: nothing can come of any draft.
        """

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """Learn what became of a program: the candidate's number, or why it was refused."""

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """Learn of a verdict: the first one on that candidate, or (not ``of_search``) a further one."""

    def next_trial(self) -> Trial | None:
        """A program to be tried out, if there is one."""

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """Learn what came of a trial; None where judging failed, for the reason given."""

    def wind_down(self) -> None:
        """Begin nothing more, and finish what was begun; may be said again and again."""

    def cancel(self) -> None:
        """Give up what is under way as soon as that can be done without losing what was paid for."""

    def close(self) -> None:
        """End everything that it started."""


class AtOnceDesk:
    """A desk that writes in this thread, as soon as it is asked to.

    Args:
        write: makes a program of a draft, or raises `ProposalError` where nothing comes of it.
    """

    slots = 0

    def __init__(self, write: Callable[[Draft], Proposal]) -> None:
        self._write = write
        self._written: deque[Written] = deque()

    @property
    def offers(self) -> Sequence[Offer]:
        """Nothing to choose from."""
        return ()

    @property
    def under_way(self) -> int:
        """Programs that were written and not yet taken."""
        return len(self._written)

    @property
    def wants(self) -> bool:
        """Always: it has nothing else to do."""
        return True

    @property
    def finished(self) -> str:
        """Never: the search notices when nothing new comes."""
        return ""

    def submit(self, draft: Draft) -> None:
        """Write the program now."""
        try:
            written = Written(proposal=self._write(draft), arm=draft.arm)
        except ProposalError as error:
            written = Written(reason=str(error), arm=draft.arm)
        self._written.append(written)

    def next_written(self, timeout_seconds: float) -> Written | None:
        """See `Desk`; nobody is waited for."""
        del timeout_seconds
        return self._written.popleft() if self._written else None

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """Such a proposer learns nothing."""

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """Such a proposer learns nothing."""

    def next_trial(self) -> Trial | None:
        """Such a proposer tries nothing."""
        return None

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """Such a proposer tries nothing."""

    def wind_down(self) -> None:
        """Nothing is under way between two calls."""

    def cancel(self) -> None:
        """Nothing is under way between two calls."""

    def close(self) -> None:
        """Nothing was started."""


class InlineDesk(AtOnceDesk):
    """A proposer at such a desk."""

    def __init__(self, proposer: Proposer) -> None:
        super().__init__(lambda draft: proposer.propose(draft.selection, draft.context))
