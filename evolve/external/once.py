"""Being the driver for as long as one order or one program takes, where nobody serves the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.archive import Archive, utc_now
from db.records import RunRecord, RunStatus
from evaluators.problem import Problem
from evaluators.registry import load_problem
from evolve.config import budget_of, complete
from evolve.evolution import Evolution
from evolve.external.allowance import Allowance
from evolve.external.desk import ExternalDesk
from evolve.external.model import Asked, Judged, Refused, Sheet, Told
from evolve.external.terms import OVER, Terms
from evolve.external.views import Views
from evolve.runner import Observer
from evolve.session import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """All that it takes to deal with somebody outside.

    Args:
        archive: the archive, writable.
        run: which run.
        problem: what is improved.
        allowance: what is left of its budget.
        terms: how to do business.
        now: the clock that orders expire by.
    """

    archive: Archive
    run: RunRecord
    problem: Problem
    allowance: Allowance
    terms: Terms
    now: Callable[[], datetime] = utc_now

    def desk(self, evolution: Evolution) -> ExternalDesk:
        """The driver's side."""
        facts = self.problem.declaration
        return ExternalDesk(self.archive, self.run.id, facts, evolution, self.allowance, self.terms, self.now)

    @property
    def views(self) -> Views:
        """The reader's side."""
        return Views(archive=self.archive, run_id=self.run.id, problem=self.problem, allowance=self.allowance)


def open_counter(
    archive: Archive, run: RunRecord, changes: Mapping[str, Any], *, expires: timedelta, once: bool = False
) -> Counter:
    """Put a counter together from a run's settings and what differs from them this time."""
    settings = complete({**run.config, **changes})
    judges = 1 if settings["pool"] == "serial" else settings["workers"]
    problem = load_problem(settings["problem"], settings["workload"])
    return Counter(
        archive=archive,
        run=run,
        problem=problem,
        allowance=Allowance(archive, run.id, budget_of(settings), time.monotonic, seeds=len(problem.seeds)),
        terms=Terms(judges=judges, expires=expires, once=once),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an errand, and who is called best after it."""

    answer: Sheet | Judged | Refused
    best: int | None

    @property
    def sheet(self) -> Sheet:
        """The order that was asked for."""
        assert isinstance(self.answer, Sheet)
        return self.answer

    @property
    def judged(self) -> Judged:
        """The verdict on what was handed in."""
        assert isinstance(self.answer, Judged)
        return self.answer


def do_once(
    counter: Counter,
    errand: Callable[[ExternalDesk], Asked | Told],
    observer: Observer,
    *,
    changes: Mapping[str, Any],
    stopping: Callable[[], bool],
) -> Done:
    """Drive the run until an errand is done, with all measurements that the search calls for after it.

    The caller holds the driver's lock.

    Args:
        counter: the run; its terms are for once.
        errand: asks for an order or hands a program in.
        observer: shows what happens.
        changes: settings that differ from the run's own.
        stopping: whether somebody asked to stop.
    """
    waiting: list[Asked | Told] = []

    def make_desk(evolution: Evolution) -> ExternalDesk:
        desk = counter.desk(evolution)
        waiting.append(errand(desk))
        return desk

    with open_session(
        counter.archive, counter.run, observer, changes=changes, make_desk=make_desk, lazy_pool=True
    ) as session:
        answer = waiting[0].answer
        if not answer.done():
            try:
                session.search(stopping)
            finally:
                counter.archive.set_status(counter.run.id, RunStatus.STOPPED)
        best = session.evolution.best
    return Done(answer=answer.result(0) if answer.done() else OVER, best=best)
