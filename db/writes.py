"""The statements behind one `register` and one `record`; each function runs inside a caller's transaction.

The statements are built once, because they run for every candidate and building costs more than running.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from db.parts import check_amounts
from db.records import ArchiveError, NewCandidate, Planned, Purpose
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
from evaluators.model import Evaluation, Outcome
from evaluators.statistics import Estimate, stratified

_COUNT_CANDIDATE = (
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.candidates == bindparam("expected"))
    .values(
        candidates=runs.c.candidates + 1,
        duplicates=runs.c.duplicates + bindparam("more_duplicates"),
        unusable=runs.c.unusable + bindparam("more_unusable"),
    )
)
_COUNT_DISCARDED = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        duplicates=runs.c.duplicates + bindparam("more_duplicates"),
        unusable=runs.c.unusable + bindparam("more_unusable"),
    )
)
_ADD_PROGRAM = insert(programs).from_select(
    ["digest", "source"],
    select(
        bindparam("program", type_=programs.c.digest.type),
        bindparam("text", type_=programs.c.source.type),
    ).where(~exists().where(programs.c.digest == bindparam("program"))),
)
_ADD_CANDIDATE = insert(candidates)
_ADD_LINEAGE = insert(lineage)
_ADD_EVALUATION = insert(evaluations).returning(evaluations.c.id)
_PLAN = (
    select(
        evaluations.c.run_id,
        evaluations.c.number,
        evaluations.c.purpose,
        evaluations.c.split,
        evaluations.c.block,
        evaluations.c.sequence,
        runs.c.problem,
        standings.c.n.label("pooled"),
    )
    .join(runs, runs.c.id == evaluations.c.run_id)
    .outerjoin(
        standings,
        (standings.c.run_id == evaluations.c.run_id)
        & (standings.c.split == evaluations.c.split)
        & (standings.c.number == evaluations.c.number),
    )
    .where(evaluations.c.id == bindparam("evaluation"))
)
_RACED = ("played_workloads", "played_seconds", "spared_workloads", "spared_seconds")
_NEXT_SEQUENCE = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        recorded=runs.c.recorded + 1,
        **{name: runs.c[name] + bindparam(f"more_{name}") for name in _RACED},
    )
    .returning(runs.c.recorded - 1)
)
_ADD_VERDICT = update(evaluations).where(evaluations.c.id == bindparam("evaluation"), evaluations.c.sequence.is_(None))
_ADD_SAMPLES = insert(samples)
_ADD_METRICS = insert(metrics)
_COUNT_OUTCOME = (
    update(outcome_counts)
    .where(
        outcome_counts.c.run_id == bindparam("run"),
        outcome_counts.c.purpose == bindparam("why"),
        outcome_counts.c.outcome == bindparam("what"),
    )
    .values(total=outcome_counts.c.total + 1)
)
_SAMPLES_SO_FAR = (
    select(
        evaluations.c.sequence,
        samples.c.position,
        samples.c.workload,
        samples.c.stratum,
        samples.c.share,
        samples.c.stderr,
    )
    .join(evaluations, evaluations.c.id == samples.c.evaluation_id)
    .where(
        evaluations.c.run_id == bindparam("run"),
        evaluations.c.number == bindparam("candidate"),
        evaluations.c.split == bindparam("where"),
        evaluations.c.outcome == Outcome.OK,
    )
)
_ADD_STANDING = insert(standings)
_CHANGE_STANDING = update(standings).where(
    standings.c.run_id == bindparam("run"),
    standings.c.split == bindparam("where"),
    standings.c.number == bindparam("candidate"),
)


def write_candidate(
    connection: Connection, run_id: int, new: NewCandidate, discarded: Mapping[str, int], now: datetime
) -> None:
    """Store a program (unless known), the candidate, its parents and the proposals thrown away before it.

    Raises:
        ArchiveError: its number is not the run's next, its digest is taken, a parent is unknown, or what it used is no
            amount.
    """
    check_amounts(f"candidate {new.number}", new.cost, {"tokens": new.tokens})
    values = {"run": run_id, "expected": new.number, **_discarded_values(discarded)}
    if connection.execute(_COUNT_CANDIDATE, values).rowcount != 1:
        following = connection.scalar(select(runs.c.candidates).where(runs.c.id == run_id))
        raise ArchiveError(
            f"no run with id {run_id} in this archive; take the id from create_run() or run()"
            if following is None
            else f"candidate {new.number} of run {run_id}: numbers have no gaps; the next one is {following}"
        )
    if any(not 0 <= parent < new.number for parent in new.parents):
        raise ArchiveError(f"candidate {new.number}: its parents {new.parents} must be earlier candidates of the run")
    program = _program_digest(new)
    connection.execute(_ADD_PROGRAM, {"program": program, "text": new.source})
    row = {
        "run_id": run_id,
        "number": new.number,
        "digest": new.digest,
        "program": program,
        "proposer": new.proposer,
        "operator": new.operator,
        "note": new.note,
        "created": now,
        "ticket": new.ticket,
        "arm": new.arm,
        "refused": [[*one.arm, one.times, one.tokens, one.cost] for one in new.refused] or None,
        "tokens": new.tokens,
        "cost": float(new.cost),
    }
    try:
        connection.execute(_ADD_CANDIDATE, row)
    except IntegrityError as error:
        raise ArchiveError(
            f"candidate {new.number}: the run has this program (ask has_digest); count it as a duplicate"
        ) from error
    if new.parents:
        connection.execute(
            _ADD_LINEAGE,
            [
                {"run_id": run_id, "child": new.number, "position": position, "parent": parent}
                for position, parent in enumerate(new.parents)
            ],
        )


def write_discarded(connection: Connection, run_id: int, discarded: Mapping[str, int]) -> int:
    """Add to a run's counters; returns how many runs that id has (0 or 1)."""
    return connection.execute(_COUNT_DISCARDED, {"run": run_id, **_discarded_values(discarded)}).rowcount


def _discarded_values(discarded: Mapping[str, int]) -> dict[str, int]:
    return {f"more_{name}": count for name, count in discarded.items()}


def _program_digest(new: NewCandidate) -> str:
    try:
        data = new.source.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ArchiveError(f"candidate {new.number}: its source is no UTF-8 text ({error}); reject it") from error
    if b"\0" in data:
        raise ArchiveError(f"candidate {new.number}: its source holds a NUL character; reject it")
    return hashlib.sha256(data).hexdigest()


def write_plan(connection: Connection, run_id: int, planned: Planned, now: datetime) -> int:
    """Store an evaluation to be done; returns its id."""
    values = {
        "run_id": run_id,
        "number": planned.number,
        "purpose": planned.purpose,
        "split": planned.split,
        "block": planned.block,
        "planned": now,
    }
    return int(connection.execute(_ADD_EVALUATION, values).scalar_one())


def host_digest(host: Mapping[str, str]) -> str:
    """What tells one description of a host from another."""
    return hashlib.sha256(json.dumps(dict(host), sort_keys=True).encode()).hexdigest()


def write_host(connection: Connection, host: Mapping[str, str], digest: str) -> int:
    """Store a description of a host unless it is known; returns its id."""
    known = connection.scalar(select(hosts.c.id).where(hosts.c.digest == digest))
    if known is not None:
        return int(known)
    values = {"digest": digest, "facts": dict(host)}
    return int(connection.execute(insert(hosts).values(values).returning(hosts.c.id)).scalar_one())


def write_verdict(connection: Connection, evaluation_id: int, verdict: Evaluation, host_id: int, now: datetime) -> int:
    """Store what came of a planned evaluation and everything that follows from it; returns its sequence.

    Raises:
        ArchiveError: it was never planned, is recorded already, or the verdict is on something else.
    """
    plan = connection.execute(_PLAN, {"evaluation": evaluation_id}).one_or_none()
    if plan is None:
        raise ArchiveError(f"no evaluation with id {evaluation_id} was planned here; register or plan it first")
    _check_verdict(evaluation_id, plan, verdict)
    sequence = connection.scalar(_NEXT_SEQUENCE, {"run": plan.run_id, **_raced(plan.purpose, verdict)})
    added = connection.execute(
        _ADD_VERDICT,
        {
            "evaluation": evaluation_id,
            "sequence": sequence,
            "recorded": now,
            "outcome": verdict.outcome,
            "score": verdict.score,
            "stderr": verdict.stderr,
            "low": verdict.low,
            "high": verdict.high,
            "seconds": float(verdict.seconds),
            "digest": verdict.digest,
            "host_id": host_id,
            "reason": verdict.reason,
            "log": verdict.log,
            "spared": verdict.spared,
        },
    ).rowcount
    if plan.sequence is not None or added != 1 or sequence is None:
        raise ArchiveError(f"evaluation {evaluation_id} is recorded already; nothing is evaluated or charged twice")
    _write_samples(connection, evaluation_id, verdict)
    if verdict.outcome is Outcome.OK:
        _write_standing(connection, plan, verdict)
    count = {"run": plan.run_id, "why": plan.purpose, "what": verdict.outcome}
    if connection.execute(_COUNT_OUTCOME, count).rowcount == 0:
        row = {"run_id": plan.run_id, "purpose": plan.purpose, "outcome": verdict.outcome, "total": 1}
        connection.execute(insert(outcome_counts), row)
    return int(sequence)


def _check_verdict(evaluation_id: int, plan: Row[*tuple[Any, ...]], verdict: Evaluation) -> None:
    planned = (plan.problem, plan.split, plan.block)
    judged = (verdict.problem, verdict.split, verdict.block)
    if planned != judged:
        raise ArchiveError(
            f"evaluation {evaluation_id}: planned on {' / '.join(map(str, planned))}, "
            f"but the verdict is on {' / '.join(map(str, judged))}; record each verdict under its own id"
        )
    for name, value in {**verdict.metrics, "seconds": verdict.seconds}.items():
        if not math.isfinite(value):
            raise ArchiveError(f"evaluation {evaluation_id}: {name} is {value}; the judge must give finite numbers")


def _raced(purpose: Purpose, verdict: Evaluation) -> dict[str, float]:
    """What a verdict adds to its run's counters of workloads; a final measurement is no part of the race."""
    counted = (0, 0.0, 0, 0.0)
    if purpose is not Purpose.FINAL:
        seconds = float(verdict.seconds)
        mean_seconds = seconds / verdict.n if verdict.n else 0.0
        counted = (verdict.n, seconds, verdict.spared, verdict.spared * mean_seconds)
    return {f"more_{name}": value for name, value in zip(_RACED, counted, strict=True)}


def _write_samples(connection: Connection, evaluation_id: int, verdict: Evaluation) -> None:
    if verdict.workloads:
        connection.execute(
            _ADD_SAMPLES,
            [
                {
                    "evaluation_id": evaluation_id,
                    "position": position,
                    "workload": result.name,
                    "stratum": result.stratum,
                    "objective": float(result.objective),
                    "baseline": float(result.baseline),
                    "reference": float(result.reference),
                    "ceiling": float(result.ceiling),
                    "share": float(result.share),
                    "stderr": float(result.stderr),
                    "metrics": {name: float(value) for name, value in result.metrics.items()},
                }
                for position, result in enumerate(verdict.workloads)
            ],
        )
    if verdict.metrics:
        connection.execute(
            _ADD_METRICS,
            [
                {"evaluation_id": evaluation_id, "name": name, "value": float(value)}
                for name, value in verdict.metrics.items()
            ],
        )


def _write_standing(connection: Connection, plan: Row[*tuple[Any, ...]], verdict: Evaluation) -> None:
    if plan.pooled is None:
        results = verdict.workloads
        pooled = stratified(verdict.shares, [r.stderr for r in results], [r.kind for r in results])
        row = {"run_id": plan.run_id, "split": plan.split, "number": plan.number, **_estimate_values(pooled)}
        connection.execute(_ADD_STANDING, row)
    else:
        key = {"run": plan.run_id, "where": plan.split, "candidate": plan.number}
        # Sorted here: asked to sort, SQLite walks through the whole run in the order of recording.
        rows = sorted(connection.execute(_SAMPLES_SO_FAR, key), key=lambda row: (row.sequence, row.position))
        # The draws of a kind tell of its spread within one evaluation; see `WorkloadResult.kind`.
        kinds = [(row.sequence, row.stratum or row.workload) for row in rows]
        pooled = stratified([row.share for row in rows], [row.stderr for row in rows], kinds)
        connection.execute(_CHANGE_STANDING, {**key, **_estimate_values(pooled)})


def _estimate_values(pooled: Estimate) -> dict[str, float]:
    return {
        "mean": pooled.mean,
        "stderr": pooled.stderr,
        "n": pooled.n,
        "low": pooled.low,
        "high": pooled.high,
    }
