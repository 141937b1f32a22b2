"""Workloads with the marks that scores are read against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.model import EvaluatorError, Split
from evaluators.problem import Measured, Workload
from evaluators.statistics import batch_stderr

SMOKE_BLOCK = 2**30
"""The train block whose first workload is for trying a program out. No candidate is scored on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """One workload with the marks that scores are read against, all measured by the judge itself.

    Nothing here hangs on the machine that marked it, so that a block may be marked by several workers.

    Args:
        workload: what is measured on.
        baseline: the baseline's series; zero on a timed workload, by definition.
        reference: J of the reference.
        ceiling: proven upper bound of J; infinite where only the machine can tell, as it does in `Measured.ceiling`.
    """

    workload: Workload
    baseline: tuple[float, ...]
    reference: float
    ceiling: float

    @property
    def baseline_objective(self) -> float:
        """J of the baseline."""
        return sum(self.baseline) / len(self.baseline)

    def stderr(self, measured: Measured, gains: Sequence[float], span: float) -> float:
        """Standard error of a share, in points: the measure's own, or else by the series.

        Raises:
            EvaluatorError: nothing tells it.
        """
        if measured.stderr is not None:
            return 100 * measured.stderr / span
        if len(gains) < 2:
            raise EvaluatorError(f"{self.workload.name}: a series needs two samples, or its error is unknown")
        return batch_stderr(gains)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Workloads that all candidates of a stretch of the search meet, so that they compare pair by pair."""

    split: Split
    number: int
    standards: tuple[Standard, ...]

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads without their marks."""
        return tuple(standard.workload for standard in self.standards)

    @property
    def span(self) -> float:
        """Mean distance from baseline to reference, in the objective's unit: 100 score points."""
        span = sum(s.reference - s.baseline_objective for s in self.standards) / len(self.standards)
        if span <= 0:
            raise EvaluatorError(
                f"{self.split.value} block {self.number}: the reference is not better than the baseline "
                f"(mean difference {span:.3g}), so no score can be given"
            )
        return span

    def order(self, order: Sequence[int] | None) -> Sequence[int]:
        """The order in which to play the workloads, by their positions; the block's own for None.

        Raises:
            EvaluatorError: it does not hold each position once.
        """
        count = len(self.standards)
        if order is None:
            return range(count)
        if sorted(order) != list(range(count)):
            raise EvaluatorError(
                f"{self.split.value} block {self.number}: an order of its workloads must hold each position from 0 to "
                f"{count - 1} once, not {list(order)}"
            )
        return order

    def check_rival(self, rival: Sequence[float] | None) -> None:
        """See to it that a rival has a share for each workload.

        Raises:
            EvaluatorError: it has too few or too many.
        """
        if rival is not None and len(rival) != len(self.standards):
            raise EvaluatorError(
                f"{self.split.value} block {self.number}: a rival must have been measured on all of its "
                f"{len(self.standards)} workloads, but this one has {len(rival)} shares"
            )
