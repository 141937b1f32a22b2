"""The listing of problems: what each improves, between which marks, what is known, and what an evaluation costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from db.archive import Archive
from evaluators.model import Split
from evaluators.problem import Problem
from reports.evaluation import estimate_json
from reports.formats import Column, Format, Listing, Row, render
from reports.leaderboard import score_cell
from reports.text import MISSING


def problem_rows(problems: Sequence[tuple[str, Problem]], archive: Archive | None) -> list[Row]:
    """One row a problem, by family and name.

    Args:
        problems: by the names by which they are run.
        archive: where results of one's own are looked for, if there is one.
    """
    rows = [_row(name, problem, archive) for name, problem in problems]
    return sorted(rows, key=lambda row: (str(row["family"]).casefold(), str(row["name"])))


def problems_view(rows: Sequence[Row], fmt: str) -> RenderableType | str:
    """The listing; as a table with a heading for each family."""
    if Format(fmt) is not Format.TABLE:
        return render(rows, [Column(title="family", path=("family",), numeric=False), *_columns()], fmt)
    parts: list[RenderableType] = []
    for family, members in groupby(rows, key=lambda row: str(row["family"])):
        parts.append(Text(f"{family}\n" if not parts else f"\n{family}\n", style="bold"))
        parts.append(Listing(rows=list(members), columns=_columns(), name_hidden=False))
    return Group(*parts)


def _row(name: str, problem: Problem, archive: Archive | None) -> Row:
    facts = problem.declaration
    return {
        "name": name,
        "family": facts.family,
        "title": facts.title,
        "entry": f"{facts.entry}({', '.join(facts.parameters)})",
        "objective": facts.objective.description,
        "baseline": facts.baseline,
        "reference": facts.reference,
        "best_known": facts.best_known,
        "here": _best_here(problem, archive),
        "cost": facts.cost,
        "seeds": [seed.name for seed in problem.seeds],
        "metrics": [f"{m.name} [{m.unit}]" if m.unit else m.name for m in facts.metrics],
        "workloads": problem.digest,
    }


def _best_here(problem: Problem, archive: Archive | None) -> dict[str, object] | None:
    """The result on hidden workloads whose interval has the highest lower end, of all runs on this workload set."""
    best = None
    for run in [] if archive is None else archive.runs():
        if (run.problem, run.digest) != (problem.declaration.name, problem.digest):
            continue
        assert archive is not None
        for standing in archive.standings(run.id, split=Split.HIDDEN, top=1):
            found = standing.estimates[Split.HIDDEN]
            if best is None or found.low > best[0].low:
                best = (found, run.name, standing.number)
    if best is None:
        return None
    return {"run": best[1], "number": best[2], **(estimate_json(best[0]) or {})}


def _columns() -> list[Column]:
    return [
        Column(title="problem", path=("name",), numeric=False),
        Column(title="improves", path=("title",), numeric=False, flexible=True, priority=3),
        Column(title="score 0", path=("baseline",), numeric=False, priority=1),
        Column(title="best known", path=("best_known",), show=_known, numeric=False, flexible=True),
        Column(title="best here", path=("here",), unit="pts ± 95 %", show=score_cell, priority=1),
        Column(title="score 100", path=("reference",), numeric=False, flexible=True, priority=2),
        Column(title="one evaluation", path=("cost",), show=_known, numeric=False, flexible=True, priority=1),
        Column(title="objective", path=("objective",), numeric=False, flexible=True, priority=4),
        Column(title="candidate defines", path=("entry",), numeric=False, flexible=True, priority=5),
        Column(title="seeds", path=("seeds",), numeric=False, flexible=True, priority=6),
        Column(title="metrics", path=("metrics",), numeric=False, flexible=True, priority=7),
    ]


def _known(value: object) -> str:
    return str(value) if value else MISSING
