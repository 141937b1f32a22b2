"""The bridge between people outside, who come by any thread, and the driver's loop, which alone decides and writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Condition

from db.archive import Archive, utc_now
from db.records import Note, NoteKind
from evaluators.model import Evaluation
from evaluators.problem import Declaration
from evolve.bandit.arm import Offer
from evolve.desk import Draft, Trial, Written
from evolve.evolution import Evolution
from evolve.external.allowance import Allowance
from evolve.external.ledger import Ledger
from evolve.external.model import (
    MAX_NOTE,
    MAX_SUMMARY,
    PROPOSER,
    Asked,
    HandIn,
    Judged,
    Refused,
    Told,
    one_line,
)
from evolve.external.orders import Orders
from evolve.external.terms import DONE, MAX_ASKED, MAX_NOTES, OVER, NoteQuota, Terms, busy, crowd
from evolve.proposal import Proposal

SLOTS = 1_000_000
"""Orders cost nothing while they are open, so that any number may be handed out."""

Kept = Future[bool | Refused]
"""Whether a note is in the archive."""


class ExternalDesk:
    """Hands orders out and takes programs in; see `evolve.desk.Desk` for the driver's side of it.

    `ask`, `tell` and `note` may be called from any thread; the rest by the driver alone. Orders are rows of the
    archive: what is open outlives the process.

    Args:
        archive: where orders are kept.
        run_id: the run.
        facts: what a program must look like.
        evolution: the search, for what an order says.
        allowance: what is left of the budget.
        terms: how to do business.
        now: the clock that orders expire by.
    """

    slots = SLOTS

    def __init__(
        self,
        archive: Archive,
        run_id: int,
        facts: Declaration,
        evolution: Evolution,
        allowance: Allowance,
        terms: Terms,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._archive = archive
        self._run_id = run_id
        self._evolution = evolution
        self._allowance = allowance
        self._terms = terms
        self._orders = Orders(archive, run_id, evolution, expires=terms.expires, now=now)
        self._ledger = Ledger(archive, run_id, facts, allowance, now)
        self._quota = NoteQuota(now)
        self._changed = Condition()
        self._asked: deque[Asked] = deque()
        self._waiting: deque[Asked] = deque()
        self._told: deque[Told] = deque()
        self._taken: dict[int, tuple[Written, Told | Kept]] = {}
        self._judging: dict[int, Told] = {}
        self._pending: dict[tuple[int | None, str], Told] = {}
        self._notes: deque[tuple[Note, Kept]] = deque()
        self._ready = False
        self._is_news = False  # whether there is a verdict of which the search has not made anything yet
        self._over: Refused | None = None
        self._best: int | None = None
        self._orders.reconcile()

    # -- anybody -----------------------------------------------------------------------------------

    @property
    def best(self) -> int | None:
        """The candidate called best by the search, which never looks at hidden workloads."""
        return self._best

    @property
    def phase(self) -> str:
        """``measuring the seeds``, ``open`` or ``over``."""
        if self._over or self._ledger.no_more():
            return "over"
        return "open" if self._ready else "measuring the seeds"

    def ask(self, asker: str) -> Asked:
        """Ask for an order."""
        asked = Asked(asker=asker)
        if refused := self._over or self._ledger.no_more():
            asked.answer.set_result(refused)
            return asked
        with self._changed:
            if self._over:
                asked.answer.set_result(self._over)
            elif len(self._asked) + len(self._waiting) >= MAX_ASKED:
                asked.answer.set_result(busy(f"{MAX_ASKED} others wait for an order already"))
            else:
                self._asked.append(asked)
                self._changed.notify_all()
        return asked

    def tell(self, hand_in: HandIn) -> Told:
        """Hand a program in. The same hand-in again, as after a broken connection, waits for the same verdict."""
        key = (hand_in.ticket, hand_in.program)
        with self._changed:
            if key in self._pending:
                return self._pending[key]
        told = Told(hand_in=hand_in)
        if (earlier := self._ledger.settled_by(hand_in)) is not None:
            return self._known(told, earlier)
        refused = self._over or self._ledger.first_objection(hand_in)
        with self._changed:
            if key in self._pending:
                return self._pending[key]
            refused = self._over or refused or crowd((each.hand_in for each in self._told), hand_in.asker)
            if refused:
                told.answer.set_result(refused)
            else:
                self._pending[key] = told
                self._told.append(told)
                self._changed.notify_all()
        return told

    def note(self, note: Note) -> Kept:
        """Leave a note for later authors."""
        answer = Kept()
        with self._changed:
            refused = self._over or (
                busy(f"{MAX_NOTES} notes wait already")
                if len(self._notes) >= MAX_NOTES
                else self._quota.objection(note.author)
            )
            if refused:
                answer.set_result(refused)
            else:
                self._notes.append((note, answer))
                self._changed.notify_all()
        return answer

    def _known(self, told: Told, number: int) -> Told:
        """A program that became a candidate earlier."""
        told.number = number
        verdict = self._ledger.verdict(number)
        if verdict is not None:
            told.answer.set_result(Judged(number=number, evaluation=verdict))
            return told
        with self._changed:
            told = self._judging.setdefault(number, told)
        # It may have been recorded between the two, and then nobody would come for it any more.
        verdict = self._ledger.verdict(number)
        if verdict is not None:
            self._judged(number, verdict)
        return told

    # -- the driver: see `Desk` ----------------------------------------------------------------------

    @property
    def offers(self) -> Sequence[Offer]:
        """Nothing to choose from: who asks decides what to write."""
        return ()

    @property
    def under_way(self) -> int:
        """Programs that were handed in and may still take an evaluation; open orders hold none.

        Those that came before the starting programs are measured hold none either, so that these find room.
        """
        self._allowance.begin()  # the search asks this before all else, and before it starts what verdicts call for
        self._is_news = False
        with self._changed:
            told = len(self._told) if self._ready else 0
            return told + sum(isinstance(entry, Told) for _, entry in self._taken.values())

    @property
    def wants(self) -> bool:
        """Whether somebody waits for an order that has to be written."""
        return self._ready and bool(self._waiting)

    @property
    def finished(self) -> str:
        """Why nobody will come any more; empty while anybody may."""
        if not self._terms.once:
            return ""
        with self._changed:
            busy = self._asked or self._waiting or self._told or self._taken or self._judging or self._notes
        return "" if busy else DONE

    def submit(self, draft: Draft) -> None:
        """Make the draft an order and hand it to whoever has waited longest."""
        asked = self._next_waiting()
        if asked is None:
            return  # whoever wanted it has gone
        asked.answer.set_result(self._orders.place(draft, asked.asker))

    def next_written(self, timeout_seconds: float) -> Written | None:
        """The next program or note that came in; returns early when somebody asks for an order."""
        self._best = self._evolution.best
        # The driver waits here only when nothing is being judged: then no better start can be hoped for.
        self._ready = self._ready or self._best is not None or timeout_seconds > 0
        self._look_at_asked()
        written = self._next_in()
        if written is not None or timeout_seconds <= 0:
            return written
        with self._changed:
            self._changed.wait_for(lambda: self._asked or self._told or self._notes, timeout_seconds)
        self._look_at_asked()
        return self._next_in()

    def settle(self, written: Written, number: int | None, reason: str) -> None:
        """Close the order of a program that became a candidate, or say why it did not; then the order stays open."""
        with self._changed:
            entry = self._taken.pop(id(written))[1]
            if not isinstance(entry, Told):
                entry.set_result(True)
                return
        if number is None:
            self._answer(entry, self._ledger.refusal(entry.hand_in, reason))
            return
        if written.ticket is not None:
            self._orders.settle(written.ticket, number)
        with self._changed:
            entry.number = number
            self._judging[number] = entry

    def recorded(self, number: int, evaluation: Evaluation, *, of_search: bool) -> None:
        """Give the first verdict to whoever handed the program in."""
        self._best, self._is_news = self._evolution.best, True
        if of_search:
            self._judged(number, evaluation)
        self._turn_away()

    def next_trial(self) -> Trial | None:
        """Nobody outside tries programs out: the judge is there for programs that are handed in."""
        return None

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """No trial was asked for."""

    def wind_down(self) -> None:
        """The budget says what is taken, program by program."""
        self._turn_away()

    def cancel(self) -> None:
        """Take nothing more; programs that are not being judged are given back, their orders stay open."""
        self._shut(OVER)

    def close(self) -> None:
        """Leave nobody waiting."""
        self._shut(OVER)
        with self._changed:
            left = [*self._judging.values(), *(entry for _, entry in self._taken.values() if isinstance(entry, Told))]
            self._judging.clear()
            self._taken.clear()
        for told in left:
            self._answer(told, OVER)

    # ----------------------------------------------------------------------------------------------

    def _turn_away(self) -> None:
        """Tell those who wait that the budget is spent: after that the driver may not come by again."""
        if (refused := self._ledger.no_more()) is None:
            return
        self._look_at_asked()
        with self._changed:
            told = list(self._told)
            self._told.clear()
        for one in told:
            self._answer(one, refused)

    def _look_at_asked(self) -> None:
        """Give expired orders to those who ask; the others wait for a draft, or hear that the budget is spent."""
        with self._changed:
            asked = [*self._waiting, *self._asked]
            self._asked.clear()
            self._waiting.clear()
        if not asked:
            return
        refused = self._ledger.no_more()
        expired = self._orders.expired()
        for one in asked:
            if refused:
                if one.answer.set_running_or_notify_cancel():
                    one.answer.set_result(refused)
            elif expired:
                if one.answer.set_running_or_notify_cancel():
                    one.answer.set_result(self._orders.reissue(expired.popleft(), one.asker))
            else:
                self._waiting.append(one)

    def _next_waiting(self) -> Asked | None:
        while self._waiting:
            asked = self._waiting.popleft()
            if asked.answer.set_running_or_notify_cancel():
                return asked
        return None

    def _next_in(self) -> Written | None:
        """The next program that may be judged, else the next note."""
        while (told := self._peek()) is not None:
            refused = self._ledger.objection(told.hand_in)
            if refused is None and not self._has_room():
                break
            written = self._written(told.hand_in) if refused is None else None
            with self._changed:
                if not self._told or self._told[0] is not told:
                    continue  # given back meanwhile
                self._told.popleft()
                if written is not None:
                    self._taken[id(written)] = (written, told)
                    return written
            assert refused is not None
            self._answer(told, refused)
        with self._changed:
            if not self._notes:
                return None
            note, answer = self._notes.popleft()
            written = Written(notes=(note,))
            self._taken[id(written)] = (written, answer)
            return written

    def _peek(self) -> Told | None:
        with self._changed:
            return self._told[0] if self._told else None

    def _has_room(self) -> bool:
        """Whether a program may be judged now: what verdicts call for comes first, and so do the starting programs."""
        return self._ready and not self._is_news and len(self._judging) < self._terms.judges

    def _written(self, hand_in: HandIn) -> Written:
        notes = [
            Note(kind=kind, text=text, author=hand_in.asker)
            for kind, text in (
                (NoteKind.HYPOTHESIS, one_line(hand_in.hypothesis, MAX_NOTE)),
                (NoteKind.PARADIGM, one_line(hand_in.paradigm, MAX_SUMMARY)),
            )
            if text
        ]
        proposal = Proposal(
            source=hand_in.program,
            proposer=PROPOSER,
            operator=hand_in.asker,
            parents=self._ledger.parents(hand_in, self._evolution.best_seeds(1)),
            note=one_line(hand_in.summary, MAX_SUMMARY),
        )
        return Written(proposal=proposal, ticket=hand_in.ticket, notes=tuple(notes))

    def _judged(self, number: int, evaluation: Evaluation) -> None:
        with self._changed:
            told = self._judging.pop(number, None)
        if told is not None:
            self._answer(told, Judged(number=number, evaluation=evaluation))

    def _answer(self, told: Told, answer: Judged | Refused) -> None:
        with self._changed:
            self._pending.pop((told.hand_in.ticket, told.hand_in.program), None)
        told.answer.set_result(answer)

    def _shut(self, refused: Refused) -> None:
        with self._changed:
            self._over = self._over or refused
            asked = [*self._waiting, *self._asked]
            told, notes = list(self._told), list(self._notes)
            for queue in (self._waiting, self._asked, self._told, self._notes):
                queue.clear()
        for one in asked:
            if one.answer.set_running_or_notify_cancel():
                one.answer.set_result(refused)
        for each in told:
            self._answer(each, refused)
        for _, answer in notes:
            answer.set_result(refused)
