"""The way of a score: from the train score at which a candidate was first seen, over validation, to hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.records import EvaluationRecord, Purpose, Standing
from evaluators.model import Outcome, Split
from evaluators.statistics import Estimate
from reports.evaluation import estimate_json
from reports.text import estimate_text, points


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A candidate's scores in the order in which they were measured, in points.

    Args:
        first: its first train score, at which it was selected; whoever leads after one look was partly lucky.
        confirmed: its pooled validation score, on workloads that did not select it.
        hidden: its pooled hidden score.
    """

    first: Estimate | None
    confirmed: Estimate | None
    hidden: Estimate | None

    def shrinkage(self, later: Estimate | None) -> Shrinkage | None:
        """How much of the first score a later one has lost; None where one of the two is missing."""
        if self.first is None or later is None:
            return None
        lost = self.first.mean - later.mean
        return Shrinkage(points=lost, percent=100 * lost / self.first.mean if self.first.low > 0 else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrinkage:
    """What a score lost: in points, and in % of the first score, which says nothing unless that is surely above 0."""

    points: float
    percent: float | None


def passage(standing: Standing, records: Sequence[EvaluationRecord]) -> Passage:
    """The way of one candidate's score.

    Args:
        standing: its pooled scores.
        records: its evaluations, in any order.
    """
    seen = [
        (record.id, record.evaluation)
        for record in records
        if record.planned.purpose is Purpose.SEARCH
        and record.evaluation is not None
        and record.evaluation.outcome is Outcome.OK
    ]
    first = None
    if seen:
        evaluation = min(seen, key=lambda pair: pair[0])[1]
        mean, stderr, low, high = evaluation.score, evaluation.stderr, evaluation.low, evaluation.high
        if mean is not None and stderr is not None and low is not None and high is not None:
            first = Estimate(mean=mean, stderr=stderr, n=evaluation.n, low=low, high=high)
    return Passage(
        first=first,
        confirmed=standing.estimates.get(Split.VALIDATION),
        hidden=standing.estimates.get(Split.HIDDEN),
    )


def passage_json(way: Passage | None) -> dict[str, object] | None:
    """The way of a score for programs; shrinkage is positive where the later score is lower."""
    if way is None:
        return None
    later = {"confirmed": way.confirmed, "hidden": way.hidden}
    return {
        "first": estimate_json(way.first),
        **{name: estimate_json(estimate) for name, estimate in later.items()},
        "shrinkage": {name: _shrinkage_json(way.shrinkage(estimate)) for name, estimate in later.items()},
    }


def _shrinkage_json(shrinkage: Shrinkage | None) -> dict[str, object] | None:
    return None if shrinkage is None else {"points": shrinkage.points, "percent": shrinkage.percent}


def passage_text(way: Passage) -> str:
    """The way in one line.

    ``first 61.0 ± 2.8 (train) → confirmed 56.0 ± 2.8 (validation), shrunk by 5.0 points (8 %)``; empty
    where there is nothing after the first score.
    """
    steps = [f"first {estimate_text(way.first)} (train)"]
    for name, split, estimate in (("confirmed", "validation", way.confirmed), ("then", "hidden", way.hidden)):
        shrinkage = way.shrinkage(estimate)
        if shrinkage is not None:
            steps.append(f"{name} {estimate_text(estimate)} ({split}), {shrinkage_text(shrinkage)}")
    return " → ".join(steps) if len(steps) > 1 else ""


def shrinkage_text(shrinkage: Shrinkage) -> str:
    """What was lost, in words."""
    share = "" if shrinkage.percent is None else f" ({abs(shrinkage.percent):.0f} %)"
    return f"{'shrunk' if shrinkage.points >= 0 else 'grown'} by {points(abs(shrinkage.points))} points{share}"
