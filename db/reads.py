"""Turning rows into records, inside a caller's transaction; each function reads only what it returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from db.records import (
    ArchiveError,
    ArmKey,
    CandidateRecord,
    EvaluationRecord,
    Planned,
    Purpose,
    RunRecord,
    Standing,
    VainPulls,
)
from db.schema import (
    candidates,
    evaluations,
    hosts,
    lineage,
    metrics,
    outcome_counts,
    programs,
    runs,
    samples,
    standings,
)
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evaluators.statistics import Estimate

AnyRow = Row[*tuple[Any, ...]]
Numbers = Select[int]  # candidate numbers of one run

_RUN_COLUMNS = [column for column in runs.c if column.name not in {"secret", "recorded", "tickets"}]
_ORDERS = {
    "low": (standings.c.low.desc(), standings.c.number),
    "score": (standings.c.mean.desc(), standings.c.number),
    "number": (standings.c.number,),
}


def read_runs(connection: Connection, wanted: ColumnElement[bool], limit: int | None = None) -> list[RunRecord]:
    """Runs that meet a condition, newest first."""
    rows = connection.execute(select(*_RUN_COLUMNS).where(wanted).order_by(runs.c.id.desc()).limit(limit)).all()
    counts: dict[int, dict[Purpose, dict[Outcome, int]]] = defaultdict(lambda: defaultdict(dict))
    query = select(outcome_counts).join(runs, runs.c.id == outcome_counts.c.run_id).where(wanted)
    for count in connection.execute(query):
        counts[count.run_id][count.purpose][count.outcome] = count.total
    return [
        RunRecord(
            id=row.id,
            name=row.name,
            problem=row.problem,
            digest=row.digest,
            config=row.config,
            status=row.status,
            created=row.created,
            finished=row.finished,
            elapsed_seconds=row.elapsed_seconds,
            candidates=row.candidates,
            duplicates=row.duplicates,
            unusable=row.unusable,
            calls=row.calls,
            tokens=row.tokens,
            cost=row.cost,
            played_workloads=row.played_workloads,
            played_seconds=row.played_seconds,
            spared_workloads=row.spared_workloads,
            spared_seconds=row.spared_seconds,
            best=row.best_number,
            best_split=row.best_split,
            counts=dict(counts[row.id]),
        )
        for row in rows
    ]


def read_candidates(connection: Connection, run_id: int, numbers: Numbers) -> dict[int, CandidateRecord]:
    """Candidates with their programs, by number."""
    parents = _read_parents(connection, run_id, numbers)
    rows = connection.execute(
        select(candidates, programs.c.source)
        .join(programs, programs.c.digest == candidates.c.program)
        .where(candidates.c.run_id == run_id, candidates.c.number.in_(numbers))
    )
    return {
        row.number: CandidateRecord(
            run_id=run_id,
            number=row.number,
            source=row.source,
            digest=row.digest,
            proposer=row.proposer,
            operator=row.operator,
            parents=tuple(parents[row.number]),
            note=row.note,
            created=row.created,
            ticket=row.ticket,
            arm=None if row.arm is None else _arm_key(row.arm),
            refused=tuple(
                VainPulls(arm=_arm_key(parts), times=times, tokens=tokens, cost=float(cost))
                for *parts, times, tokens, cost in row.refused or ()
            ),
            tokens=row.tokens,
            cost=row.cost,
        )
        for row in rows
    }


def _arm_key(parts: Sequence[str]) -> ArmKey:
    proposer, operator, model, selector = parts
    return proposer, operator, model, selector


def _read_parents(connection: Connection, run_id: int, numbers: Numbers) -> defaultdict[int, list[int]]:
    parents: defaultdict[int, list[int]] = defaultdict(list)
    query = (
        select(lineage.c.child, lineage.c.parent)
        .where(lineage.c.run_id == run_id, lineage.c.child.in_(numbers))
        .order_by(lineage.c.child, lineage.c.position)
    )
    for child, parent in connection.execute(query):
        parents[child].append(parent)
    return parents


def read_evaluations(
    connection: Connection, wanted: ColumnElement[bool], order: ColumnElement[int]
) -> list[EvaluationRecord]:
    """Evaluations that meet a condition, with samples and metrics if they are recorded."""
    results: defaultdict[int, list[WorkloadResult]] = defaultdict(list)
    query = select(samples).join(evaluations, evaluations.c.id == samples.c.evaluation_id).where(wanted)
    for row in connection.execute(query.order_by(samples.c.evaluation_id, samples.c.position)):
        results[row.evaluation_id].append(
            WorkloadResult(
                name=row.workload,
                objective=row.objective,
                baseline=row.baseline,
                reference=row.reference,
                ceiling=row.ceiling,
                share=row.share,
                stderr=row.stderr,
                stratum=row.stratum,
                metrics=row.metrics,
            )
        )
    figures = _read_metrics(connection, wanted)
    rows = connection.execute(
        select(evaluations, hosts.c.facts, runs.c.problem)
        .join(runs, runs.c.id == evaluations.c.run_id)
        .outerjoin(hosts, hosts.c.id == evaluations.c.host_id)
        .where(wanted)
        .order_by(order)
    )
    return [_evaluation_record(row, tuple(results[row.id]), figures[row.id]) for row in rows]


def _read_metrics(connection: Connection, wanted: ColumnElement[bool]) -> defaultdict[int, dict[str, float]]:
    """Metrics by evaluation id."""
    figures: defaultdict[int, dict[str, float]] = defaultdict(dict)
    query = select(metrics).join(evaluations, evaluations.c.id == metrics.c.evaluation_id).where(wanted)
    for row in connection.execute(query):
        figures[row.evaluation_id][row.name] = row.value
    return figures


def _evaluation_record(row: AnyRow, results: tuple[WorkloadResult, ...], figures: dict[str, float]) -> EvaluationRecord:
    verdict = None
    if row.sequence is not None:
        verdict = Evaluation(
            problem=row.problem,
            split=row.split,
            block=row.block,
            digest=row.digest,
            outcome=row.outcome,
            reason=row.reason,
            score=row.score,
            stderr=row.stderr,
            low=row.low,
            high=row.high,
            workloads=results,
            metrics=figures,
            seconds=row.seconds,
            host=row.facts,
            log=row.log,
            spared=row.spared,
        )
    return EvaluationRecord(
        id=row.id,
        run_id=row.run_id,
        planned=Planned(number=row.number, purpose=row.purpose, split=row.split, block=row.block),
        sequence=row.sequence,
        evaluation=verdict,
        recorded=row.recorded,
    )


def page_of_standings(run_id: int, split: Split, top: int | None, sort: str) -> Numbers:
    """Query for the numbers of the candidates with an estimate on a split, best first.

    Raises:
        ArchiveError: unknown order.
    """
    if sort not in _ORDERS:
        raise ArchiveError(f"standings cannot be sorted by {sort!r}; choose one of {', '.join(_ORDERS)}")
    wanted = (standings.c.run_id == run_id, standings.c.split == split)
    return select(standings.c.number).where(*wanted).order_by(*_ORDERS[sort]).limit(top)


def read_standings(connection: Connection, run_id: int, numbers: Numbers) -> list[Standing]:
    """Standings of candidates, in the order of ``numbers``."""
    parents = _read_parents(connection, run_id, numbers)
    estimates = _read_estimates(connection, run_id, numbers)
    outcomes = _read_first_outcomes(connection, run_id, numbers)
    figures = _read_latest_metrics(connection, run_id, numbers)
    rows = connection.execute(
        select(candidates.c.number, candidates.c.proposer, candidates.c.operator, candidates.c.note).where(
            candidates.c.run_id == run_id, candidates.c.number.in_(numbers)
        )
    )
    found = {
        row.number: Standing(
            number=row.number,
            proposer=row.proposer,
            operator=row.operator,
            parents=tuple(parents[row.number]),
            outcome=outcomes.get(row.number),
            estimates=estimates[row.number],
            metrics=figures[row.number],
            note=row.note,
        )
        for row in rows
    }
    return [found[number] for number in connection.scalars(numbers)]


def _read_estimates(connection: Connection, run_id: int, numbers: Numbers) -> defaultdict[int, dict[Split, Estimate]]:
    estimates: defaultdict[int, dict[Split, Estimate]] = defaultdict(dict)
    # Every split is named, because the split stands before the number in the table's key.
    query = select(standings).where(
        standings.c.run_id == run_id, standings.c.split.in_(list(Split)), standings.c.number.in_(numbers)
    )
    for row in connection.execute(query):
        estimates[row.number][row.split] = Estimate(
            mean=row.mean,
            stderr=row.stderr,
            n=row.n,
            low=row.low,
            high=row.high,
        )
    return estimates


def _read_first_outcomes(connection: Connection, run_id: int, numbers: Numbers) -> dict[int, Outcome | None]:
    """Outcome of each candidate's first evaluation; None while that is in flight."""
    first = (
        select(func.min(evaluations.c.id))
        .where(evaluations.c.run_id == run_id, evaluations.c.number.in_(numbers))
        .group_by(evaluations.c.number)
    )
    query = select(evaluations.c.number, evaluations.c.outcome).where(evaluations.c.id.in_(first))
    return {row.number: row.outcome for row in connection.execute(query)}


def _read_latest_metrics(connection: Connection, run_id: int, numbers: Numbers) -> defaultdict[int, dict[str, float]]:
    """Metrics of each candidate's latest ok evaluation on the train split."""
    latest = (
        select(func.max(evaluations.c.sequence))
        .where(
            evaluations.c.run_id == run_id,
            evaluations.c.number.in_(numbers),
            evaluations.c.split == Split.TRAIN,
            evaluations.c.outcome == Outcome.OK,
        )
        .group_by(evaluations.c.number)
    )
    query = (
        select(evaluations.c.number, metrics.c.name, metrics.c.value)
        .join(metrics, metrics.c.evaluation_id == evaluations.c.id)
        .where(evaluations.c.run_id == run_id, evaluations.c.sequence.in_(latest))
    )
    figures: defaultdict[int, dict[str, float]] = defaultdict(dict)
    for number, name, value in connection.execute(query):
        figures[number][name] = value
    return figures
