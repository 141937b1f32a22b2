"""How a run ended: its last line, and the finalists on the hidden split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from db.archive import Archive
from db.records import ArmRecord, EvaluationRecord, RunRecord, Standing
from evaluators.foreign.claim import CLAIM, is_claim, reported_by
from evaluators.model import Outcome, Split, WorkloadResult, lead_errors
from evaluators.statistics import Estimate, paired, simultaneous
from reports.arms import effort_text
from reports.evaluation import estimate_json
from reports.formats import Column, Format, Listing, Row, render
from reports.leaderboard import (
    SCORE_FIELDS,
    best_seed,
    is_seed,
    made,
    marks,
    marks_cell,
    outcome_words,
    score_cell,
    tag_cell,
    tally,
)
from reports.passage import Passage, passage, passage_json, passage_text
from reports.text import MISSING, count, duration, estimate_text, points, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A candidate at the end of a run.

    Args:
        standing: its pooled scores by split.
        measurements: how often it has met hidden workloads.
        advantage: its paired lead over the best unmodified seed on the hidden split, in points; None where
            the two never met the same workloads, or for that seed itself. For evolved candidates its interval is
            simultaneous over all of them.
        way: its scores from the first on.
    """

    standing: Standing
    measurements: int
    advantage: Estimate | None
    way: Passage


def last_line(run: RunRecord, best: Standing | None, seconds: float | None = None) -> str:
    """The run in one line: ``412 evaluated: 371 ok, 41 wrong - best #0398 61.3 ± 0.8 (...) in 8m 12s``.

    Args:
        run: the run's record.
        best: the standing of ``run.best``; None if nothing is feasible.
        seconds: wall time to name; default the run's search time.
    """
    counts = tally(run)
    spent = duration(run.elapsed_seconds if seconds is None else seconds)
    head = f"{count(sum(counts.values()))} evaluated"
    if counts:
        head += f": {outcome_words(counts)}"
    split = run.best_split or Split.TRAIN
    estimate = best.estimates.get(split) if best is not None else None
    if run.tokens:
        spent += f", ${run.cost:,.2f}" if run.cost else f", {count(run.tokens)} tokens"
    if best is None or estimate is None:
        return f"{head} - nothing feasible in {spent}"
    scale = CLAIM if is_claim(run.problem) else "baseline 0, reference 100"
    return f"{head} - best {tag(best.number)} {estimate_text(estimate)} ({scale}) in {spent}"


def advantage(
    ours: Sequence[EvaluationRecord],
    theirs: Sequence[EvaluationRecord],
    split: Split = Split.HIDDEN,
    *,
    claims: int = 1,
) -> Estimate | None:
    """Paired lead of one candidate over another on the workloads that both have met, in points.

    Workloads pair up when split, block, workload definition and name agree; of repeated measurements of a
    block the latest counts. None if there is no pair. The interval is one of ``claims`` that hold all at once with
    95 %. The error is the spread over the workloads; of kernels, whose workloads are a shape each, that of their times.
    """
    mine, other = _met(ours, split), _met(theirs, split)
    common = [key for key in mine if key in other]
    if not common:
        return None
    pairs = [(mine[key], other[key]) for key in common]
    shares = [one.result.share for one, _ in pairs], [its.result.share for _, its in pairs]
    kinds = [(key[1], mine[key].result.kind) for key in common]
    clocked = all(one.is_clocked and its.is_clocked for one, its in pairs) and len(set(kinds)) == len(kinds)
    return paired(
        *shares,
        strata=kinds if clocked else None,
        errors=lead_errors([(one.result, its.result) for one, its in pairs]) if clocked else None,
        confidence=simultaneous(claims),
    )


@dataclass(frozen=True, slots=True)
class _Met:
    """What came of one workload, and whether its error is that of a time on a GPU."""

    result: WorkloadResult
    is_clocked: bool


def _met(records: Sequence[EvaluationRecord], split: Split) -> dict[tuple[str, int, str], _Met]:
    done = [
        (record.sequence, record.evaluation)
        for record in records
        if record.evaluation is not None and record.sequence is not None
    ]
    return {
        (evaluation.digest, evaluation.block, result.name): _Met(result, evaluation.is_on_gpu)
        for _, evaluation in sorted(done, key=lambda pair: pair[0])
        if evaluation.split is split and evaluation.outcome is Outcome.OK
        for result in evaluation.workloads
    }


def finalists(archive: Archive, run: RunRecord, limit: int = 100) -> list[Finalist]:
    """Everyone measured on the hidden split, the best lower bound there first."""
    leaders = archive.standings(run.id, split=Split.HIDDEN, top=limit, sort="low")
    measured = [standing for standing in leaders if Split.HIDDEN in standing.estimates]
    records = {standing.number: archive.evaluations(run.id, standing.number) for standing in measured}
    seed = best_seed(measured, Split.HIDDEN)
    claims = evolved(measured)
    return [
        Finalist(
            standing=standing,
            measurements=sum(
                record.planned.split is Split.HIDDEN and record.evaluation is not None
                for record in records[standing.number]
            ),
            advantage=None
            if seed is None or seed.number == standing.number
            else advantage(records[standing.number], records[seed.number], claims=1 if is_seed(standing) else claims),
            way=passage(standing, records[standing.number]),
        )
        for standing in measured
    ]


def evolved(standings: Sequence[Standing]) -> int:
    """How many are no seeds: that many leads are claimed at once."""
    return sum(not is_seed(standing) for standing in standings)


def verdict(lead: Estimate | None) -> str:
    """A paired lead in one word: better, worse, or undecided where the interval holds 0."""
    if lead is None:
        return MISSING
    return "better" if lead.low > 0 else "worse" if lead.high < 0 else "undecided"


def final_rows(entries: Sequence[Finalist], run: RunRecord) -> list[Row]:
    """The finalists' rows in full precision."""
    return [
        {
            "number": entry.standing.number,
            "marks": marks(entry.standing, run),
            "reported_by": reported_by(claimed=is_claim(run.problem)),
            "made": made(entry.standing.proposer, entry.standing.operator),
            **{split.value: estimate_json(entry.standing.estimates.get(split)) for split in Split},
            "measurements": entry.measurements,
            "advantage": estimate_json(entry.advantage),
            "verdict": verdict(entry.advantage),
            "way": passage_json(entry.way),
        }
        for entry in entries
    ]


def final_columns(seed: Standing | None) -> list[Column]:
    """The finalists' columns; ± is the half-width of the 95 % interval."""
    rival = f"lead over {tag(seed.number)}" if seed is not None else "lead over seed"
    unit = "pts ± 95 %"
    return [
        Column(title="candidate", path=("number",), show=tag_cell),
        Column(title="mark", path=("marks",), show=marks_cell, numeric=False),
        Column(title="hidden", path=("hidden",), unit=unit, show=score_cell, fields=SCORE_FIELDS),
        Column(title=rival, path=("advantage",), unit=unit, show=_lead, fields=SCORE_FIELDS),
        Column(title="verdict", path=("verdict",), numeric=False, priority=1),
        Column(title="first → confirmed → hidden", path=(), unit="pts", show=_path, priority=2),
        Column(
            title="shrunk by",
            path=("way", "shrinkage", "hidden"),
            unit="pts",
            show=_shrunk,
            fields=("points", "percent"),
            priority=3,
        ),
        Column(title="measured", path=("measurements",), unit="times", priority=4),
        Column(title="made by", path=("made",), numeric=False, flexible=True, priority=5),
    ]


def final_listing(entries: Sequence[Finalist], run: RunRecord, fmt: Format | str = Format.TABLE) -> Listing | str:
    """The finalists on the hidden split, paired with the best unmodified seed."""
    seed = best_seed([entry.standing for entry in entries], Split.HIDDEN)
    return render(final_rows(entries, run), final_columns(seed), fmt, empty="nobody was measured on hidden workloads")


def _lead(value: object) -> str:
    text = score_cell(value)
    lead = value.get("score") if isinstance(value, Mapping) else None
    return f"+{text}" if isinstance(lead, float) and math.isfinite(lead) and round(lead, 1) > 0 else text


def final_view(entries: Sequence[Finalist], run: RunRecord, arms: Sequence[ArmRecord] = ()) -> RenderableType:
    """The finalists for a reader: the table, what its intervals mean, and the way of the best one's score.

    Below them how the search spent its budget: which of its arms (`Archive.arms`) earned their pulls, and what racing
    spared.
    """
    claims = evolved([entry.standing for entry in entries])
    notes = [f"lead: paired, simultaneous 95 % interval over {count(claims, 'finalist')}"] if claims else []
    if is_claim(run.problem):
        notes.append(f"{CLAIM}: 'hidden' is the same evaluation again, and intervals are the spread of its repeats")
    best = next((entry for entry in entries if entry.standing.number == run.best), None)
    way = passage_text(best.way) if best else ""
    if best and way:
        notes.append(f"{tag(best.standing.number)}: {way}")
    effort = effort_text(run, arms)
    if effort:
        notes.append(effort)
    return Group(final_listing(entries, run), Text("\n".join(notes)))


def _path(row: object) -> str:
    way = row.get("way") if isinstance(row, Mapping) else None
    if not isinstance(way, Mapping):
        return MISSING
    estimates = [way.get(name) for name in ("first", "confirmed", "hidden")]
    return " → ".join(points(item["score"]) if isinstance(item, Mapping) else MISSING for item in estimates)


def _shrunk(value: object) -> str:
    if not isinstance(value, Mapping):
        return MISSING
    percent = value["percent"]
    return points(value["points"]) + ("" if percent is None else f" ({percent:.0f} %)")
