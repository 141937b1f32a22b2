"""What is left of a run's budget, counted from the archive, so that any thread may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db.archive import Archive
from db.records import Purpose
from evolve.budget import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Evaluations of a search: recorded, and planned but not recorded yet; finals not counted."""

    recorded: int
    in_flight: int


class Allowance:
    """Counts what a run has used.

    Args:
        archive: where evaluations are planned before they begin and recorded when they end.
        run_id: the run.
        budget: its limits.
        clock: wall time in seconds; only differences count.
        seeds: how many starting programs there are, which are no candidates of anybody's.
    """

    def __init__(
        self, archive: Archive, run_id: int, budget: Budget, clock: Callable[[], float], *, seeds: int = 0
    ) -> None:
        self._archive = archive
        self._run_id = run_id
        self._budget = budget
        self._seeds = seeds
        self._clock = clock
        self._earlier_seconds = archive.run_by_id(run_id).elapsed_seconds
        self._began: float | None = None

    @property
    def budget(self) -> Budget:
        """The limits."""
        return self._budget

    def begin(self) -> None:
        """The search of this sitting has begun; does nothing twice."""
        if self._began is None:
            self._began = self._clock()

    @property
    def elapsed_seconds(self) -> float:
        """Search time over all sittings."""
        return self._earlier_seconds + (0.0 if self._began is None else self._clock() - self._began)

    def used(self) -> Used:
        """Evaluations that count against the budget."""
        counts = self._archive.run_by_id(self._run_id).counts
        recorded = sum(sum(counts[purpose].values()) for purpose in counts if purpose is not Purpose.FINAL)
        planned = self._archive.unfinished(self._run_id)
        return Used(recorded=recorded, in_flight=sum(record.planned.purpose is not Purpose.FINAL for record in planned))

    def left(self) -> int | None:
        """How many more evaluations may begin; None for any number."""
        if self._budget.evaluations is None:
            return None
        used = self.used()
        return max(self._budget.evaluations - used.recorded - used.in_flight, 0)

    def spent(self) -> str:
        """Why nothing more may be judged; empty while something may."""
        if self._budget.seconds is not None and self.elapsed_seconds >= self._budget.seconds:
            return f"the budget of {self._budget.seconds:g} seconds is spent"
        most, run = self._budget.candidates, self._archive.run_by_id(self._run_id)
        if most is not None and run.candidates - self._seeds >= most:
            return f"the budget of {most} candidates is spent"
        if self.left() == 0:
            return f"the budget of {self._budget.evaluations} evaluations is spent"
        return ""
