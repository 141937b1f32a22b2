"""Where a candidate comes from: the line of its main parents back to a seed."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from db.archive import Archive
from db.records import RunRecord, Standing
from evaluators.foreign.claim import reported_by
from evaluators.model import Split
from reports.evaluation import estimate_json
from reports.leaderboard import made
from reports.text import claim_note, estimate_text, one_line, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One candidate on the line, and the further parents that it took something from."""

    standing: Standing
    others: tuple[Standing, ...]


def lineage(archive: Archive, run: RunRecord, number: int, limit: int | None = None) -> list[Step]:
    """The line from a candidate back to its seed by main parents, the candidate first.

    Args:
        archive: where it is read, a few rows a step.
        run: whose candidate.
        number: the candidate.
        limit: how many steps at most; None for all.
    """
    steps: list[Step] = []
    following: int | None = number
    while following is not None and (limit is None or len(steps) < limit):
        standing = archive.standing(run.id, following)
        others = tuple(archive.standing(run.id, parent) for parent in standing.parents[1:])
        steps.append(Step(standing=standing, others=others))
        following = standing.parents[0] if standing.parents else None
    return steps


def lineage_json(steps: list[Step], *, claimed: bool = False) -> list[dict[str, object]]:
    """The line for programs, the candidate first; ``claimed`` as in `reports.details.candidate_json`."""
    return [
        {
            "number": step.standing.number,
            "proposer": step.standing.proposer,
            "operator": step.standing.operator,
            "parents": list(step.standing.parents),
            "note": step.standing.note,
            "outcome": step.standing.outcome,
            "reported_by": reported_by(claimed=claimed),
            "scores": {split.value: estimate_json(step.standing.estimates.get(split)) for split in Split},
        }
        for step in steps
    ]


def lineage_view(steps: list[Step], split: Split = Split.TRAIN, problem: str = "") -> RenderableType:
    """The line as a tree: the candidate on top, its seed at the foot, other parents as side branches.

    The trunk keeps its indentation, so that a line of hundreds of steps fits any terminal. The problem's name says
    whether scores are a task's claim.
    """
    text = Text(
        f"scores on {split.value} (points ± 95 %{claim_note(problem)})\n",
        style="bold",
        no_wrap=True,
        overflow="ellipsis",
    )
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        trunk = " " if last else "│"
        text.append(f"● {_described(step.standing, split)}\n", style="none")
        if step.standing.note.strip():
            text.append(f"{trunk}   {one_line(step.standing.note, limit=120)}\n", style="none")
        for other in step.others:
            branch = "└" if last else "├"
            text.append(f"{branch}─○ also from {_described(other, split)}\n", style="none")
    text.rstrip()
    return text


def _described(standing: Standing, split: Split) -> str:
    score = standing.estimates.get(split)
    verdict = estimate_text(score) if score is not None else standing.outcome or "in flight"
    return f"{tag(standing.number)}  {verdict}  {made(standing.proposer, standing.operator)}"
