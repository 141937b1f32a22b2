"""One evaluation, for programs (the one JSON schema) and for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from evaluators.foreign.claim import CLAIM, is_claimed, reported_by
from evaluators.model import Evaluation, Metric, Outcome, WorkloadResult
from evaluators.statistics import Estimate
from reports.formats import Column, Listing
from reports.text import duration, interval, one_line, points, quantity, visible, with_interval

LOG_LINES = 20


def metric_title(metric: Metric) -> str:
    """A metric's name with an arrow towards the better side."""
    return f"{metric.name} {'↑' if metric.higher_is_better else '↓'}"


def metrics_json(values: Mapping[str, float], metrics: Sequence[Metric]) -> dict[str, object]:
    """Figures with their units, ``{name: {"value", "unit"}}``, in the order of declaration."""
    units = {metric.name: metric.unit for metric in metrics}
    ordered = [*(name for name in units if name in values), *(name for name in values if name not in units)]
    return {name: {"value": values[name], "unit": units.get(name, "")} for name in ordered}


def estimate_json(estimate: Estimate | None) -> dict[str, object] | None:
    """A pooled estimate in score points, ``{"score", "stderr", "n", "low", "high"}``."""
    if estimate is None:
        return None
    return {
        "score": estimate.mean,
        "stderr": estimate.stderr,
        "n": estimate.n,
        "low": estimate.low,
        "high": estimate.high,
    }


def evaluation_json(evaluation: Evaluation, metrics: Sequence[Metric]) -> dict[str, object]:
    """An evaluation in the schema that every JSON output shares.

    Scores are in points (0 = baseline, 100 = reference); ``low`` and ``high`` bound the two-sided 95 %
    interval; all are null unless the outcome is ok. Objectives are in the problem's natural unit. ``reported_by`` is
    ``judge``, or ``task`` where the score is what a task's own evaluator claims: points then are 100 times that, and
    there is no baseline, reference or ceiling.
    """
    claimed = is_claimed(evaluation)
    return {
        "problem": evaluation.problem,
        "reported_by": reported_by(claimed=claimed),
        "split": evaluation.split.value,
        "outcome": evaluation.outcome.value,
        "reason": one_line(evaluation.reason, limit=1000),
        "score": evaluation.score,
        "stderr": evaluation.stderr,
        "n": evaluation.n,
        "low": evaluation.low,
        "high": evaluation.high,
        "metrics": metrics_json(evaluation.metrics, metrics),
        "workloads": [_workload_json(result, metrics, claimed=claimed) for result in evaluation.workloads],
        "seconds": evaluation.seconds,
        "host": dict(evaluation.host),
        "digest": evaluation.digest,
        "block": evaluation.block,
    }


def _workload_json(result: WorkloadResult, metrics: Sequence[Metric], *, claimed: bool = False) -> dict[str, object]:
    return {
        "name": result.name,
        "stratum": result.stratum,
        "objective": result.objective,
        "baseline": None if claimed else result.baseline,
        "reference": None if claimed else result.reference,
        "ceiling": None if claimed else result.ceiling,
        "share": result.share,
        "stderr": result.stderr,
        "metrics": metrics_json(result.metrics, metrics),
    }


def headline(evaluation: Evaluation) -> str:
    """The verdict in one line."""
    place = f"{evaluation.split.value} block {evaluation.block}, {duration(evaluation.seconds)}"
    if evaluation.outcome is not Outcome.OK:
        return f"{evaluation.outcome.value} ({place}): {one_line(evaluation.reason)}"
    score = with_interval(evaluation.score, evaluation.low, evaluation.high, evaluation.n)
    if is_claimed(evaluation):
        return f"ok: {score} points, {CLAIM} (n = {evaluation.n}; {place})"
    span = interval(evaluation.low, evaluation.high, evaluation.n)
    return f"ok: {score} points ({span}, n = {evaluation.n}; {place})"


def metrics_line(values: Mapping[str, float], metrics: Sequence[Metric]) -> str:
    """The declared metrics with their units on one line; then those that a task reports of its own accord."""
    units = {metric.name: metric.unit for metric in metrics}
    ordered = [*(name for name in units if name in values), *(name for name in values if name not in units)]
    return " · ".join(f"{one_line(name, 80)} {quantity(values[name], units.get(name, ''))}" for name in ordered)


def workloads_listing(evaluation: Evaluation, metrics: Sequence[Metric]) -> Listing:
    """The breakdown by workload."""
    known = {name for result in evaluation.workloads for name in result.metrics}
    shown = [metric for metric in metrics if metric.name in known]
    rows = [_workload_json(result, metrics) for result in evaluation.workloads]
    scores = [
        Column(title="share", path=("share",), unit="pts", show=_points),
        Column(title="stderr", path=("stderr",), unit="pts", show=_points, priority=4),
        Column(title="objective", path=("objective",)),
        Column(title="baseline", path=("baseline",), priority=1),
        Column(title="reference", path=("reference",), priority=1),
        Column(title="ceiling", path=("ceiling",), priority=2),
    ]
    columns = [Column(title="workload", path=("name",), numeric=False)]
    if is_claimed(evaluation):
        scores = scores[:1]  # the task has no baseline, reference or ceiling of ours
    columns += [] if evaluation.outcome is Outcome.CORRECT else scores  # nothing was timed, and 0 is no figure
    columns += [
        Column(title=metric_title(metric), path=("metrics", metric.name, "value"), unit=metric.unit, priority=3)
        for metric in shown
    ]
    return Listing(rows=rows, columns=columns, empty="no workload was finished")


def evaluation_view(evaluation: Evaluation, metrics: Sequence[Metric], *, log: bool = True) -> RenderableType:
    """An evaluation for a reader: verdict, metrics, breakdown by workload, host, what the program printed."""
    parts: list[RenderableType] = [Text(headline(evaluation), style="bold")]
    figures = metrics_line(evaluation.metrics, metrics)
    if figures:
        parts.append(Text(figures))
    if evaluation.workloads:
        parts.append(workloads_listing(evaluation, metrics))
    if evaluation.host:
        # The sandbox's layers are many and mostly the same; what says more must not be cut with them.
        facts = sorted(evaluation.host.items(), key=lambda fact: fact[0].startswith("sandbox "))
        host = " · ".join(f"{key} {value}" for key, value in facts)
        parts.append(Text(f"host: {one_line(host, limit=400)}", style="dim"))
    if log and evaluation.log.strip():
        lines = visible(evaluation.log[-8000:]).strip().split("\n")
        cut = f" (last {LOG_LINES} of {len(lines)} lines)" if len(lines) > LOG_LINES else ""
        parts.append(Text(f"printed by the program{cut}:", style="dim"))
        parts.append(Text("\n".join(f"  | {line}" for line in lines[-LOG_LINES:])))
    return Group(*parts)


def _points(value: object) -> str:
    return points(value) if isinstance(value, float | int) else points(None)
