"""Drives a search: asks, registers, dispatches, records, tells - until the budget is spent or someone stops it.

A row exists before a candidate is dispatched and each verdict is one transaction, so that a killed driver
loses nothing that was recorded and repeats nothing that was finished.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from db.archive import Archive
from db.records import NoteKind, Planned, Purpose
from evaluators.block import SMOKE_BLOCK
from evaluators.model import Outcome, Split
from evaluators.problem import Clock
from evaluators.tasks import Finished, Task
from evolve.budget import Budget
from evolve.desk import Desk, Written
from evolve.drafting import Refusal, SearchExhaustedError
from evolve.evolution import Ask, Evolution
from evolve.flights import Flight, Observer, RunError, Workshop, as_new, refuse_failed_seed, seed_failure

ATTEMPTS = 5
"""How often one evaluation may fail through no fault of the candidate before the run gives up."""

POLL_SECONDS = 0.25
TAKEN_AT_ONCE = 4
"""How many programs are looked at before verdicts are."""

GLANCE_SECONDS = 0.02
"""How long to look for verdicts while programs are being written, which come by another way."""


class Runner:
    """Runs one search from the archive's point of view.

    Args:
        archive: remembers; this is its only writer.
        run_id: which run.
        evolution: decides.
        workshop: writes and judges.
        budget: when to stop.
        observer: shows.
        clock: wall time in seconds; only differences count.
    """

    def __init__(
        self,
        archive: Archive,
        run_id: int,
        evolution: Evolution,
        workshop: Workshop,
        *,
        budget: Budget,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._archive = archive
        self._run_id = run_id
        self._evolution = evolution
        self._desk = workshop.desk
        self._pool = workshop.pool
        self._budget = budget
        self._observer = observer
        self._clock = clock
        self._flights: dict[int, Flight] = {}
        self._trials = 0
        self._is_waiting = False
        self._requeued: list[tuple[int, Flight]] = []
        self._spent = 0
        self._attempts: Counter[int] = Counter()
        self._earlier_seconds = 0.0
        self._saved_seconds = 0.0
        self._started = clock()
        self._stopping: Callable[[], bool] = lambda: False

    def replay(self) -> None:
        """Tell the search all that the archive remembers; what was in flight is dispatched when it goes on."""
        self._earlier_seconds = self._archive.run_by_id(self._run_id).elapsed_seconds
        for remembered, record in self._archive.history(self._run_id):
            assert record.evaluation is not None
            candidate = as_new(remembered)
            refuse_failed_seed(candidate, record.planned, record.evaluation)
            self._evolution.tell(candidate, record.planned, record.evaluation)
            self._spent += record.planned.purpose is not Purpose.FINAL
        for record in self._archive.unfinished(self._run_id):
            if record.planned.purpose is Purpose.FINAL:
                continue
            flying = as_new(self._archive.candidate(self._run_id, record.planned.number))
            self._evolution.restore(flying, record.planned)
            self._requeued.append((record.id, Flight(candidate=flying, planned=record.planned)))

    def search(self, stopping: Callable[[], bool]) -> None:
        """Search until the budget is spent, nothing new can be made, or ``stopping()`` says so.

        What is in flight is waited for and recorded.

        Raises:
            RunError: a seed fails, no program is left to start from, or the pool keeps failing.
        """
        self._stopping = stopping
        self._started = self._clock()
        while self._requeued:
            self._dispatch(*self._requeued.pop(0))
        try:
            while True:
                if stopping():
                    self._desk.cancel()
                self._save_elapsed()
                exhausted = self._fill()
                if self._is_over(exhausted):
                    return
                self._wait()
                self._observer.tick("search", len(self._flights), self.elapsed_seconds)
        finally:
            self._save_elapsed(at_once=True)
            left = self._evolution.take_discarded()
            self._archive.count_discarded(self._run_id, duplicates=left.duplicates, unusable=left.unusable)

    @property
    def elapsed_seconds(self) -> float:
        """Search time over all sittings."""
        return self._earlier_seconds + self._clock() - self._started

    @property
    def spent(self) -> int:
        """Evaluations recorded in the search, finals not counted."""
        return self._spent

    def polish(self, desk: Desk, stopping: Callable[[], bool]) -> None:
        """Have programs written by another desk, one at a time, and judge them; nothing else is begun."""
        searching, self._desk = self._desk, desk
        try:
            while self._flights or desk.under_way or (desk.wants and not stopping()):
                if desk.wants and not self._flights:
                    self._evolution.reconsider()
                    draft = self._evolution.draft()
                    if draft is None:
                        return
                    desk.submit(draft)
                    self._take_written(0.0)
                if self._flights:
                    self._take_next(POLL_SECONDS)
                self._observer.tick("simplifying", len(self._flights), self.elapsed_seconds)
        finally:
            self._desk = searching

    def measure(self, planned: list[Planned], stopping: Callable[[], bool]) -> None:
        """Carry out evaluations outside the search (finals), those already planned included, and record them."""
        known = {
            record.planned: record.id
            for record in self._archive.unfinished(self._run_id)
            if record.planned.purpose is Purpose.FINAL
        }
        # All are planned before the first is dispatched, so that one cut short goes on with the same contenders.
        waiting = deque((known.get(item) or self._archive.plan(self._run_id, item), item) for item in planned)
        while self._flights or (waiting and not stopping()):
            while waiting and len(self._flights) < self._pool.slots and not stopping():
                key, item = waiting.popleft()
                candidate = as_new(self._archive.candidate(self._run_id, item.number))
                self._dispatch(key, Flight(candidate=candidate, planned=item))
            self._take_next(POLL_SECONDS)
            self._observer.tick("final measurement", len(self._flights), self.elapsed_seconds)

    # ----------------------------------------------------------------------------------------------

    def _is_over(self, exhausted: bool) -> bool:
        if self._flights or self._desk.under_way:
            if self._desk.under_way and not self._is_waiting and self._is_out_of_time():
                self._is_waiting = True
                self._desk.wind_down()
                self._observer.say("time is up: answers that are on their way are waited for (Ctrl-C gives them up)")
            return False
        if self._desk.finished and not exhausted and self._may_start():
            self._observer.say(f"the search ends: {self._desk.finished}")
        return exhausted or bool(self._desk.finished) or not self._may_start() or not self._may_draft()

    def _is_out_of_time(self) -> bool:
        seconds = self._budget.seconds
        return not self._stopping() and seconds is not None and self.elapsed_seconds >= seconds

    def _may_start(self) -> bool:
        return not self._stopping() and self._budget.allows_another(
            evaluations=self._spent + len(self._flights) + self._desk.under_way, seconds=self.elapsed_seconds
        )

    def _may_draft(self) -> bool:
        return self._budget.allows_another_candidate(self._evolution.bred + self._desk.under_way)

    def _save_elapsed(self, *, at_once: bool = False) -> None:
        """Keep the run's clock in the archive, at most once a second: a transaction for each result is too dear."""
        if at_once or self.elapsed_seconds - self._saved_seconds >= 1.0:
            self._saved_seconds = self.elapsed_seconds
            self._archive.add_elapsed(self._run_id, self._saved_seconds)
            if arms := self._evolution.steering.table():
                self._archive.save_arms(self._run_id, arms)

    def _fill(self) -> bool:
        """Keep every slot busy; returns whether there is nothing new to make and nothing under way to learn from."""
        while self._may_start():
            try:
                started = self._start_next() or self._draft_next()
            except SearchExhaustedError as error:
                if self._flights or self._desk.under_way:
                    return False
                self._observer.say(f"the search ends early: {error}")
                return True
            if not started:
                return False
        return False

    def _start_next(self) -> bool:
        """Start an evaluation that the search has asked for, if there is one and a place is free.

        Programs are handed to the pool as they come, so where many are written at a time a free slot may never be seen.
        """
        places = self._pool.slots + self._desk.slots
        ask = self._evolution.ask() if len(self._flights) < places else None
        if ask is None:
            return False
        self._start(ask)
        return True

    def _draft_next(self) -> bool:
        """Have a program written, if the desk takes a draft and the way from there to a verdict is not too long."""
        desk = self._desk
        if len(self._flights) + desk.under_way >= self._pool.slots + desk.slots or not desk.wants:
            return False
        if not self._may_draft():
            return False
        draft = self._evolution.draft(desk.offers)
        if draft is None:
            if not self._flights and not desk.under_way:
                # Only a verdict could change its mind, and none is under way.
                raise self._nothing_left()
            return False
        desk.submit(draft)
        if desk.slots == 0:
            self._take_written(0.0)
        return True

    def _wait(self) -> None:
        """Take the next verdict and every program that is ready."""
        # Programs first: until it is registered, what was paid for is lost with this process.
        self._take_written(0.0)
        while (trial := self._desk.next_trial()) is not None:
            self._trials += 1
            # Keys of evaluations are above zero, so that those of trials below cannot be mistaken for them.
            self._pool.submit(Task(key=-trial.key, source=trial.source, split=Split.TRAIN, block=SMOKE_BLOCK))
        judging = bool(self._flights or self._trials)
        if judging:
            self._take_next(GLANCE_SECONDS if self._desk.slots else POLL_SECONDS)
        self._take_written(0.0 if judging else POLL_SECONDS)

    def _take_written(self, timeout_seconds: float) -> None:
        """Take what was written: dispatch it for an evaluation, or have it refused.

        So many at a time that verdicts, the clock and whoever wants to stop are not kept waiting.
        """
        for _ in range(TAKEN_AT_ONCE):
            written = self._desk.next_written(timeout_seconds)
            if written is None:
                return
            timeout_seconds = 0.0
            number = None
            if written.ticket is None and written.proposal is None and written.notes:
                reason = ""
            elif isinstance(ask := self._evolution.accept(written), Refusal):
                reason = ask.reason
            else:
                number, reason = ask.planned.number, ""
                self._start(ask)
            self._keep_notes(written, number)
            self._desk.settle(written, number, reason)

    def _keep_notes(self, written: Written, number: int | None) -> None:
        for note in written.notes:
            if note.number is None and note.kind is NoteKind.PARADIGM and number is None:
                continue  # an approach of which no candidate came has no outcome to remember
            kept = note if note.number is not None else replace(note, number=number)
            self._archive.add_note(self._run_id, kept)
            self._evolution.note(kept)

    def _nothing_left(self) -> RunError:
        failures = [
            seed_failure(candidate, record.planned, record.evaluation)
            for candidate, record in self._archive.history(self._run_id)
            if candidate.proposer == "seed" and record.evaluation and record.evaluation.outcome is not Outcome.OK
        ]
        problem = self._archive.run_by_id(self._run_id).problem
        return RunError(
            "\n".join(["no program is left to start from, so the search cannot go on", *failures])
            + f"\nhint: try the seeds alone with evolve score {problem} FILE, mend them, and begin a new run"
        )

    def _start(self, ask: Ask) -> None:
        candidate = ask.candidate
        if candidate is not None:
            discarded = self._evolution.take_discarded()
            key = self._archive.register(
                self._run_id,
                candidate,
                ask.planned,
                duplicates=discarded.duplicates,
                unusable=discarded.unusable,
            )
        else:
            candidate = as_new(self._archive.candidate(self._run_id, ask.planned.number))
            key = self._archive.plan(self._run_id, ask.planned)
        self._dispatch(key, Flight(candidate=candidate, planned=ask.planned))

    def _dispatch(self, key: int, flight: Flight) -> None:
        self._flights[key] = flight
        race = self._evolution.race(flight.candidate, flight.planned)
        self._pool.submit(
            Task(
                key=key,
                source=flight.candidate.source,
                split=flight.planned.split,
                block=flight.planned.block,
                rival=race.shares,
                order=race.order,
            )
        )

    def _take_next(self, timeout_seconds: float) -> None:
        """Take the next result of the pool, if one comes in time."""
        finished = self._pool.next_finished(timeout_seconds)
        if finished is not None and finished.key < 0:
            self._trials -= 1
            self._desk.tried(-finished.key, finished.evaluation, finished.failure)
        elif finished is not None:
            self._take(finished)

    def _take(self, finished: Finished) -> None:
        """Record and tell one result; a failure of ours is tried again and never charged to the candidate."""
        flight = self._flights.pop(finished.key)
        if finished.evaluation is None:
            self._attempts[finished.key] += 1
            if self._attempts[finished.key] >= ATTEMPTS:
                raise RunError(
                    f"evaluations keep failing: {finished.failure}\n"
                    "hint: evolve doctor tests the parts; nothing recorded is lost, evolve resume goes on"
                )
            self._dispatch(finished.key, flight)
            return
        self._attempts.pop(finished.key, None)
        evaluation = finished.evaluation
        self._archive.record(finished.key, evaluation)
        if flight.planned.purpose is not Purpose.FINAL:
            self._spent += 1
            self._save_elapsed()
        refuse_failed_seed(flight.candidate, flight.planned, evaluation)
        before = self._evolution.best
        self._evolution.tell(flight.candidate, flight.planned, evaluation)
        best = self._evolution.best
        changed = best is not None and best != before
        if best is not None and changed:
            self._archive.set_best(self._run_id, best, Split.VALIDATION)
        self._desk.recorded(flight.candidate.number, evaluation, of_search=flight.planned.purpose is Purpose.SEARCH)
        self._observer.recorded(flight, evaluation, changed)


__all__ = ["Flight", "Observer", "RunError", "Runner", "Workshop"]
