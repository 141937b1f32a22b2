"""One candidate, the difference between two, and the list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from db.archive import Archive
from db.records import CandidateRecord, EvaluationRecord, RunRecord, Standing
from evaluators.foreign.claim import is_claim, reported_by
from evaluators.model import Metric, Split
from reports.difference import unified
from reports.evaluation import estimate_json, evaluation_json, evaluation_view, headline
from reports.formats import Column, Format, Listing, Row, render
from reports.leaderboard import SCORE_FIELDS, made, score_cell
from reports.passage import passage, passage_json, passage_text
from reports.text import MISSING, ReportError, claim_note, duration, estimate_text, one_line, tag, visible

Evaluations = Sequence[EvaluationRecord]


def candidate_json(
    standing: Standing,
    candidate: CandidateRecord,
    children: Sequence[int],
    evaluations: Evaluations,
    metrics: Sequence[Metric],
    *,
    claimed: bool = False,
) -> dict[str, object]:
    """A candidate in full: how it was made, its scores by split, every evaluation, its source.

    ``claimed`` says that the scores are what a task's own evaluator reports.
    """
    return {
        "number": candidate.number,
        "proposer": candidate.proposer,
        "operator": candidate.operator,
        "parents": list(candidate.parents),
        "children": list(children),
        "note": candidate.note,
        "created": candidate.created,
        "digest": candidate.digest,
        "outcome": standing.outcome,
        "reported_by": reported_by(claimed=claimed),
        "scores": {split.value: estimate_json(standing.estimates.get(split)) for split in Split},
        "way": passage_json(passage(standing, evaluations)),
        "evaluations": [
            {"purpose": record.planned.purpose, **evaluation_json(record.evaluation, metrics)}
            for record in evaluations
            if record.evaluation is not None
        ],
        "source": candidate.source,
    }


def show_json(archive: Archive, run: RunRecord, number: int, metrics: Sequence[Metric]) -> dict[str, object]:
    """`candidate_json` of an archived candidate."""
    return candidate_json(
        archive.standing(run.id, number),
        archive.candidate(run.id, number),
        archive.children(run.id, number),
        archive.evaluations(run.id, number),
        metrics,
        claimed=is_claim(run.problem),
    )


def show(archive: Archive, run: RunRecord, number: int, metrics: Sequence[Metric]) -> RenderableType:
    """A candidate for a reader: how it was made, its evaluations with intervals, its source."""
    candidate, standing = archive.candidate(run.id, number), archive.standing(run.id, number)
    evaluations = archive.evaluations(run.id, number)
    facts = _facts(run, candidate, standing, archive.children(run.id, number))
    way = passage_text(passage(standing, evaluations))
    return Group(
        Text("\n".join([*facts, f"way: {way}"] if way else facts)),
        Text(""),
        evaluations_view(evaluations, metrics),
        Text("\nsource:", style="bold"),
        source_view(candidate.source),
    )


def _facts(run: RunRecord, candidate: CandidateRecord, standing: Standing, children: Sequence[int]) -> list[str]:
    best = " ★ best" if run.best == candidate.number else ""
    scores = [
        f"{split.value} {estimate_text(standing.estimates[split])}" for split in Split if split in standing.estimates
    ]
    lines = [
        f"{tag(candidate.number)}{best} · {made(candidate.proposer, candidate.operator)}"
        f" · by {one_line(candidate.proposer)}",
        f"run {one_line(run.name)}, problem {run.problem}, made {candidate.created:%Y-%m-%d %H:%M}",
        f"scores (points ± 95 %{claim_note(run.problem)}): {', '.join(scores) or 'none'}",
        f"parents: {_numbers(candidate.parents)}",
        f"children: {_numbers(children)}",
    ]
    return [*lines, f"note: {one_line(candidate.note)}"] if candidate.note.strip() else lines


def _numbers(numbers: Sequence[int], limit: int = 12) -> str:
    shown = " ".join(tag(number) for number in numbers[:limit])
    return f"{shown} and {len(numbers) - limit} more" if len(numbers) > limit else shown or "none"


def evaluations_view(evaluations: Evaluations, metrics: Sequence[Metric]) -> RenderableType:
    """Every evaluation in a line, and the latest one of each split in full."""
    if not evaluations:
        return Text("not evaluated yet")
    latest = {record.planned.split: record.id for record in evaluations if record.evaluation is not None}
    parts: list[RenderableType] = []
    for record in evaluations:
        plan = record.planned
        if record.evaluation is None:
            parts.append(Text(f"{plan.purpose.value}: in flight ({plan.split.value} block {plan.block})"))
        elif latest[plan.split] == record.id:
            parts += [Text(f"{plan.purpose.value}:"), evaluation_view(record.evaluation, metrics), Text("")]
        else:
            parts.append(Text(f"{plan.purpose.value}: {headline(record.evaluation)}"))
    return Group(*parts)


def source_view(source: str) -> RenderableType:
    """A program with its syntax coloured, hidden characters spelt out."""
    return Syntax(
        visible(source).rstrip("\n"),
        "python",
        theme="ansi_dark",
        background_color="default",
        line_numbers=True,
        word_wrap=True,
    )


def diff(archive: Archive, run: RunRecord, number: int, other: int | None = None) -> str:
    """Unified difference from ``other`` (default: the main parent) to a candidate; empty if the texts agree.

    Raises:
        ReportError: no other was named and the candidate has no parent.
    """
    after = archive.candidate(run.id, number)
    if other is None:
        if not after.parents:
            raise ReportError(f"{tag(number)} of run {run.name} has no parent to compare with: name a second candidate")
        other = after.parents[0]
    return diff_text(archive.candidate(run.id, other), after)


def diff_text(before: CandidateRecord, after: CandidateRecord) -> str:
    """Unified difference of two candidates' sources, hidden characters spelt out."""
    names = (
        f"{tag(before.number)} {made(before.proposer, before.operator)}",
        f"{tag(after.number)} {made(after.proposer, after.operator)}",
    )
    lines = unified(visible(before.source).splitlines(), visible(after.source).splitlines(), names)
    return "".join(f"{line}\n" for line in lines)


def diff_view(text: str) -> RenderableType:
    """A unified difference with additions and removals coloured."""
    if not text:
        return Text("no difference between the two programs")
    return Syntax(text, "diff", theme="ansi_dark", background_color="default", word_wrap=True)


def runs_rows(runs: Sequence[RunRecord], best: Mapping[int, Standing]) -> list[Row]:
    """One row a run; ``best`` maps a run's id to the standing of its best candidate."""
    return [
        {
            "name": run.name,
            "problem": run.problem,
            "status": run.status,
            "candidates": run.candidates,
            "evaluations": sum(sum(outcomes.values()) for outcomes in run.counts.values()),
            "duplicates": run.duplicates,
            "unusable": run.unusable,
            "best": run.best,
            "best_split": run.best_split,
            "reported_by": reported_by(claimed=is_claim(run.problem)),
            "score": _best_score(run, best.get(run.id)),
            "elapsed_seconds": run.elapsed_seconds,
            "created": run.created,
            "finished": run.finished,
            "digest": run.digest,
        }
        for run in runs
    ]


def _best_score(run: RunRecord, standing: Standing | None) -> dict[str, object] | None:
    if standing is None or run.best_split is None:
        return None
    return estimate_json(standing.estimates.get(run.best_split))


RUNS_COLUMNS = (
    Column(title="run", path=("name",), numeric=False),
    Column(title="problem", path=("problem",), numeric=False),
    Column(title="status", path=("status",), numeric=False),
    Column(title="best", path=("best",), show=lambda value: tag(value) if isinstance(value, int) else MISSING),
    Column(title="score", path=("score",), unit="pts ± 95 %", show=score_cell, fields=SCORE_FIELDS),
    Column(title="on split", path=("best_split",), numeric=False, priority=3),
    Column(title="candidates", path=("candidates",), priority=2),
    Column(title="evaluations", path=("evaluations",), priority=4),
    Column(
        title="search time",
        path=("elapsed_seconds",),
        show=lambda value: duration(value) if isinstance(value, float | int) else MISSING,
        priority=1,
    ),
    Column(title="created", path=("created",), unit="UTC", numeric=False, priority=5),
)


REPORTED_BY = Column(title="score by", path=("reported_by",), numeric=False)
"""Never left out, but where all scores are our judge's."""


def runs_listing(archive: Archive, fmt: Format | str = Format.TABLE) -> Listing | str:
    """Every run in the archive, the newest first."""
    runs = archive.runs()
    best = {run.id: archive.standing(run.id, run.best) for run in runs if run.best is not None}
    columns = (
        (*RUNS_COLUMNS[:5], REPORTED_BY, *RUNS_COLUMNS[5:])
        if any(is_claim(run.problem) for run in runs)
        else RUNS_COLUMNS
    )
    return render(runs_rows(runs, best), columns, fmt, empty="no runs yet: start one with evolve run PROBLEM")
