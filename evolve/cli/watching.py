"""Observers of a run: a live view on a terminal, lines elsewhere, NDJSON events for programs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import click
from rich.console import Console
from rich.live import Live

from db.archive import Archive
from db.records import RunRecord, Standing
from evaluators.model import Evaluation, Metric, Split
from evaluators.statistics import Estimate
from evolve.budget import Budget
from evolve.runner import Flight
from reports.evaluation import evaluation_json
from reports.formats import to_json
from reports.leaderboard import best_seed, seed_standings, trusted_split
from reports.lineage import lineage
from reports.live import Progress, heartbeat_line, live_view, new_best_line
from reports.summary import advantage

REFRESH_SECONDS = 0.5
HEARTBEAT_SECONDS = 60.0
RATE_WINDOW_SECONDS = 30.0
ANCESTRY_STEPS = 12


class Meter:
    """Counts recorded evaluations and their recent rate."""

    def __init__(self, budget: Budget, workers: int) -> None:
        self._budget = budget
        self._workers = workers
        self._times: deque[float] = deque()
        self._started = time.monotonic()

    def count(self) -> None:
        """One more evaluation was recorded."""
        self._times.append(time.monotonic())

    def progress(self, run: RunRecord, phase: str, in_flight: int, elapsed_seconds: float) -> Progress:
        """How far the run has come."""
        now = time.monotonic()
        while self._times and now - self._times[0] > RATE_WINDOW_SECONDS:
            self._times.popleft()
        window = min(RATE_WINDOW_SECONDS, max(now - self._started, 1.0))
        done = sum(
            total for purpose, outcomes in run.counts.items() if purpose.value != "final" for total in outcomes.values()
        )
        return Progress(
            elapsed_seconds=elapsed_seconds,
            budget_seconds=self._budget.seconds,
            budget_evaluations=self._budget.evaluations,
            budget_tokens=self._budget.tokens,
            budget_cost=self._budget.cost,
            tokens=run.tokens,
            cost=run.cost,
            evaluations_done=done,
            evaluations_per_second=len(self._times) / window,
            in_flight=in_flight,
            phase=phase,
            workers=self._workers,
        )


class LiveObserver:
    """Redraws the live view on a terminal; a function of the archive, so any terminal could show it."""

    def __init__(self, archive: Archive, run_id: int, meter: Meter, scale: str, console: Console) -> None:
        self._archive = archive
        self._run_id = run_id
        self._meter = meter
        self._scale = scale
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def __enter__(self) -> LiveObserver:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A message above the view."""
        self._live.console.print(text, highlight=False, markup=False)

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """See `evolve.runner.Observer`."""
        del flight, evaluation, best_changed
        self._meter.count()

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """See `evolve.runner.Observer`."""
        now = time.monotonic()
        if now - self._drawn < REFRESH_SECONDS:
            return
        self._drawn = now
        run = self._archive.run_by_id(self._run_id)
        leaders = leaders_of(self._archive, run)
        steps = lineage(self._archive, run, run.best, ANCESTRY_STEPS) if run.best is not None else []
        view = live_view(
            run,
            leaders,
            self._meter.progress(run, phase, in_flight, elapsed_seconds),
            scale=self._scale,
            seed=best_seed(seed_standings(self._archive, run)),
            ancestry=steps,
            arms=self._archive.arms(self._run_id),
        )
        self._live.update(view, refresh=True)


class LineObserver:
    """One line for each new best and a heartbeat a minute, for logs and pipes."""

    def __init__(self, archive: Archive, run_id: int, meter: Meter) -> None:
        self._archive = archive
        self._run_id = run_id
        self._meter = meter
        self._beaten = time.monotonic()
        self._best: int | None = None
        self._pending_best = False

    def __enter__(self) -> LineObserver:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def say(self, text: str) -> None:
        """A message on its own line."""
        click.echo(text, err=True)

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """See `evolve.runner.Observer`."""
        del flight, evaluation
        self._meter.count()
        self._pending_best = self._pending_best or best_changed

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        """See `evolve.runner.Observer`."""
        now = time.monotonic()
        if not self._pending_best and now - self._beaten < HEARTBEAT_SECONDS:
            return
        run = self._archive.run_by_id(self._run_id)
        best = self._archive.standing(run.id, run.best) if run.best is not None else None
        progress = self._meter.progress(run, phase, in_flight, elapsed_seconds)
        if self._pending_best and best is not None:
            self.say(new_best_line(run, best, self._best, self._lead(run, best.number), progress))
            self._best = best.number
            self._pending_best = False
        if now - self._beaten >= HEARTBEAT_SECONDS:
            self.say(heartbeat_line(run, best, progress))
            self._beaten = now

    def _lead(self, run: RunRecord, number: int) -> Estimate | None:
        """Paired lead over the best named before, on validation workloads that both have met."""
        if self._best is None or self._best == number:
            return None
        ours, theirs = (self._archive.evaluations(run.id, each) for each in (number, self._best))
        return advantage(ours, theirs, Split.VALIDATION)


class EventObserver(LineObserver):
    """NDJSON on stdout, one event for each recorded evaluation; messages stay on stderr."""

    def __init__(self, archive: Archive, run_id: int, meter: Meter, metrics: Sequence[Metric]) -> None:
        super().__init__(archive, run_id, meter)
        self._metrics = metrics

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        """See `evolve.runner.Observer`."""
        super().recorded(flight, evaluation, best_changed)
        event = {
            "event": "evaluation",
            "number": flight.candidate.number,
            "purpose": flight.planned.purpose.value,
            "proposer": flight.candidate.proposer,
            "operator": flight.candidate.operator,
            "parents": list(flight.candidate.parents),
            "best": best_changed,
            "evaluation": evaluation_json(evaluation, self._metrics),
        }
        click.echo(to_json(event, indent=None))


def leaders_of(archive: Archive, run: RunRecord) -> list[Standing]:
    """The top of the board, with the candidate called best among them."""
    leaders = archive.standings(run.id, split=trusted_split(archive, run), top=5)
    if run.best is not None and all(standing.number != run.best for standing in leaders):
        leaders = [*leaders, archive.standing(run.id, run.best)]
    return leaders
