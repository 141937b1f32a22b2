"""The leaderboard of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from db.archive import Archive
from db.records import Purpose, RunRecord, Standing
from evaluators.foreign.claim import MARK, is_claim, reported_by
from evaluators.model import Metric, Outcome, Split
from reports.evaluation import estimate_json, metric_title, metrics_json
from reports.formats import Column, Format, Row, render
from reports.passage import Passage, passage, passage_json
from reports.text import MISSING, count, one_line, points, tag, with_interval

SEED = "seed"  # the proposer of unmodified starting programs
SCORE_FIELDS = ("score", "stderr", "n", "low", "high")
EMPTY = "no candidate has a score yet"


def is_seed(standing: Standing) -> bool:
    """Whether a candidate is an unmodified starting program."""
    return standing.proposer == SEED


def made(proposer: str, operator: str) -> str:
    """How a candidate was made: a seed's name, or the operator."""
    return one_line(f"seed {operator}" if proposer == SEED else operator, limit=60)


def seed_standings(archive: Archive, run: RunRecord) -> list[Standing]:
    """The unmodified seeds, which are the first candidates of every run."""
    seeds = []
    for number in range(run.candidates):
        standing = archive.standing(run.id, number)
        if not is_seed(standing):
            break
        seeds.append(standing)
    return seeds


def best_seed(standings: Sequence[Standing], split: Split = Split.TRAIN) -> Standing | None:
    """The unmodified seed with the highest mean on a split."""
    measured = [standing for standing in standings if is_seed(standing) and split in standing.estimates]
    return max(measured, key=lambda standing: standing.estimates[split].mean, default=None)


def trusted_split(archive: Archive, run: RunRecord) -> Split:
    """Where a ranking can be trusted most while the search goes on: validation, once anyone was confirmed there.

    Candidates that fit the train machines alone lead on train.
    """
    return Split.VALIDATION if archive.standings(run.id, split=Split.VALIDATION, top=1) else Split.TRAIN


def hidden_measurements(archive: Archive, run_id: int, standings: Sequence[Standing]) -> dict[int, int]:
    """How often each of these candidates has met hidden workloads, by number; each look wears it out."""
    return {
        standing.number: sum(
            record.planned.split is Split.HIDDEN and record.evaluation is not None
            for record in archive.evaluations(run_id, standing.number)
        )
        for standing in standings
        if Split.HIDDEN in standing.estimates
    }


def marks(standing: Standing, run: RunRecord) -> list[str]:
    """What stands beside a candidate in every listing: whether it is the best, a seed, or its score a task's claim."""
    return [
        *(["best"] if standing.number == run.best else []),
        *([SEED] if is_seed(standing) else []),
        *([MARK] if is_claim(run.problem) else []),
    ]


def passages(archive: Archive, run_id: int, standings: Sequence[Standing]) -> dict[int, Passage]:
    """The way of the score of everyone here who was measured again after the first score, by number."""
    return {
        standing.number: passage(standing, archive.evaluations(run_id, standing.number))
        for standing in standings
        if Split.VALIDATION in standing.estimates or Split.HIDDEN in standing.estimates
    }


def rows(
    standings: Sequence[Standing],
    run: RunRecord,
    metrics: Sequence[Metric],
    hidden: Mapping[int, int],
    ways: Mapping[int, Passage],
) -> list[Row]:
    """The leaderboard's rows in full precision, best first as the standings come.

    Args:
        standings: in the order of their ranks.
        run: whose ``best`` is marked.
        metrics: what the problem declares, for the units.
        hidden: how often each candidate was measured on the hidden split, by number.
        ways: how each candidate's score fared after the first (`passages`), by number.
    """
    return [
        {
            "rank": rank if Split.TRAIN in standing.estimates else None,
            "number": standing.number,
            "marks": marks(standing, run),
            "reported_by": reported_by(claimed=is_claim(run.problem)),
            "made": made(standing.proposer, standing.operator),
            "proposer": standing.proposer,
            "operator": standing.operator,
            "parents": list(standing.parents),
            **{split.value: estimate_json(standing.estimates.get(split)) for split in Split},
            "hidden_measurements": hidden.get(standing.number, 0),
            "way": passage_json(ways.get(standing.number)),
            "metrics": metrics_json(standing.metrics, metrics),
            "outcome": standing.outcome,
            "note": standing.note,
        }
        for rank, standing in enumerate(standings, start=1)
    ]


def columns(metrics: Sequence[Metric]) -> list[Column]:
    """The leaderboard's columns; ± is the half-width of the 95 % interval, ↑ ↓ the better direction."""
    unit = "pts ± 95 %"
    return [
        Column(title="rank", path=("rank",)),
        Column(title="candidate", path=("number",), show=tag_cell),
        Column(title="mark", path=("marks",), show=marks_cell, numeric=False),
        Column(title="made by", path=("made",), numeric=False, flexible=True),
        Column(title="parents", path=("parents",), show=_tags, numeric=False, priority=6),
        Column(title="train", path=("train",), unit=unit, show=score_cell, fields=SCORE_FIELDS),
        Column(title="low", path=("train", "low"), unit="pts", show=_low, priority=3),
        Column(
            title="validation",
            path=("validation",),
            unit=unit,
            show=score_cell,
            fields=SCORE_FIELDS,
            priority=2,
        ),
        Column(title="hidden", path=("hidden",), unit=unit, show=score_cell, fields=SCORE_FIELDS, priority=1),
        Column(title="on hidden", path=("hidden_measurements",), unit="times", priority=4),
        *(
            Column(
                title=metric_title(metric),
                path=("metrics", metric.name, "value"),
                unit=metric.unit,
                priority=5,
            )
            for metric in metrics
        ),
        Column(title="outcome", path=("outcome",), show=_outcome, numeric=False, priority=3),
    ]


def tally(run: RunRecord) -> dict[Outcome, int]:
    """How many candidates ended in each outcome when they were first evaluated, in the order of `Outcome`."""
    searched = run.counts.get(Purpose.SEARCH, {})
    return {outcome: searched[outcome] for outcome in Outcome if searched.get(outcome, 0) > 0}


def outcome_words(counts: dict[Outcome, int]) -> str:
    """Counts of outcomes in words, the usual ones as in ``371 ok, 22 wrong``."""
    return ", ".join(f"{count(number)} {outcome.value.replace('_', ' ')}" for outcome, number in counts.items())


def repeats(run: RunRecord) -> int:
    """How many evaluations were further measurements of known candidates."""
    return sum(sum(outcomes.values()) for outcomes in run.counts.values()) - sum(tally(run).values())


def heading(run: RunRecord, scale: str) -> str:
    """What the run is and where it stands, in three lines."""
    counts = tally(run)
    facts = [count(run.candidates, "candidate"), f"{count(sum(counts.values()))} evaluated"]
    if counts:
        facts[1] += f" ({outcome_words(counts)})"
    if repeats(run):
        facts.append(count(repeats(run), "repeat measurement"))
    return (
        f"run {one_line(run.name)} · problem {run.problem} · workloads {run.digest[:12]}"
        f" · {run.status.value}\n"
        f"{scale}\n{' · '.join(facts)}"
    )


def leaderboard(
    archive: Archive,
    run: RunRecord,
    standings: Sequence[Standing],
    *,
    metrics: Sequence[Metric],
    scale: str,
    fmt: Format | str = Format.TABLE,
) -> RenderableType:
    """Candidates of a run, ranked as they come.

    Args:
        archive: where hidden measurements are counted.
        run: whose candidates.
        standings: the rows, best first (`Archive.standings`).
        metrics: the problem's declared metrics.
        scale: what 0 and 100 mean (`reports.text.scale_text`).
        fmt: table, json, csv or markdown.

    Returns:
        A renderable for a table; finished text for the other formats.
    """
    hidden, ways = hidden_measurements(archive, run.id, standings), passages(archive, run.id, standings)
    table = rows(standings, run, metrics, hidden, ways)
    listing = render(table, columns(metrics), fmt, empty=EMPTY)
    return listing if isinstance(listing, str) else Group(Text(heading(run, scale)), Text(""), listing)


def score_cell(value: object) -> str:
    """A score of the JSON schema for a reader, ``61.3 ± 0.8``."""
    if not isinstance(value, Mapping):
        return MISSING
    return with_interval(value["score"], value["low"], value["high"], value.get("n"))


def _low(value: object) -> str:
    return points(value) if isinstance(value, float) else MISSING


def tag_cell(value: object) -> str:
    """A candidate's number for a reader."""
    return tag(value) if isinstance(value, int) else MISSING


def _tags(value: object) -> str:
    return " ".join(tag_cell(item) for item in value) if isinstance(value, list) and value else MISSING


def marks_cell(value: object) -> str:
    """Marks for a reader: the word always stands beside the star."""
    words = value if isinstance(value, list) else []
    return " ".join("★ best" if word == "best" else str(word) for word in words)


def _outcome(value: object) -> str:
    return str(value).replace("_", " ") if value is not None else "in flight"
