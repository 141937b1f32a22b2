"""What an agent reads from its tools. Foreign text goes through the filters of the prompts, as data."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from db.records import CandidateRecord, Standing
from evaluators.model import Evaluation, Metric, Outcome, Split, WorkloadResult
from evaluators.statistics import Estimate, paired
from evolve.brief import Task
from evolve.proposers.llm.agent.tools import TOOLS
from evolve.proposers.llm.agent.trials import Tried
from evolve.proposers.llm.prompts.clean import Clean, line, program
from evolve.proposers.llm.prompts.environment import environment
from reports.difference import unified
from reports.text import duration, quantity, tag

NEAR_BOUND = 0.9
"""Share of the way from baseline to proven bound above which little is left to gain."""


_LEFT_OUT = "(The rest was left out.)\n"
_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`]*\Z|(~{3,}))")


def protocol_text() -> str:
    """How tools are called in plain text, and which there are."""
    return _render("protocol.md.j2", tools=[(tool, _arguments(tool.parameters["properties"])) for tool in TOOLS])


def trial_text(tried: Tried, task: Task, parent: int) -> str:
    """The result of ``evaluate``."""
    return _render(
        "trial.md.j2",
        evaluation=tried.evaluation,
        score=_score(tried.evaluation),
        parent=tried.parent,
        parent_score=_score(tried.parent),
        number=parent,
        gain=_gain(tried),
        metrics=_beside(tried.evaluation.metrics, tried.parent.metrics if tried.parent else {}, task.metrics),
    )


def profile_text(tried: Tried, task: Task, parent: int, most_bytes: int) -> str:
    """The result of ``profile``."""
    theirs = {result.name: result for result in tried.parent.workloads} if tried.parent else {}
    results = tried.evaluation.workloads

    def render(shown: int) -> str:
        return _render(
            "profile.md.j2",
            evaluation=tried.evaluation,
            parent=tried.parent,
            seconds=_duration(tried.evaluation),
            parent_seconds=_duration(tried.parent) if tried.parent else "",
            number=parent,
            objective=task.objective,
            rows=[_row(result, theirs.get(result.name), task) for result in results[:shown]],
            left_out=len(results) - shown,
        )

    return _fitted(render, len(results), most_bytes)


def candidate_text(candidate: CandidateRecord, standing: Standing, task: Task, most_bytes: int) -> str:
    """The result of ``inspect``."""
    lines = candidate.source.split("\n")

    def render(shown: int) -> str:
        return _render(
            "candidate.md.j2",
            candidate=candidate,
            outcome=standing.outcome,
            train=standing.estimates.get(Split.TRAIN),
            validation=standing.estimates.get(Split.VALIDATION),
            metrics=_beside(standing.metrics, {}, task.metrics),
            source="\n".join(lines[:shown]),
            shown=shown,
            left_out=len(lines) - shown,
        )

    return _fitted(render, len(lines), most_bytes)


def top_text(standings: Sequence[Standing], most_bytes: int) -> str:
    """The result of ``top``."""

    def render(shown: int) -> str:
        rows = [(row, row.estimates.get(Split.TRAIN), row.estimates.get(Split.VALIDATION)) for row in standings[:shown]]
        return _render("top.md.j2", rows=rows, left_out=len(standings) - shown)

    return _fitted(render, len(standings), most_bytes)


def diff_text(old: CandidateRecord, new: CandidateRecord, most_bytes: int) -> str:
    """The result of ``diff``."""
    names = tag(old.number), tag(new.number)
    lines = unified(old.source.splitlines(), new.source.splitlines(), names, context=2)

    def render(shown: int) -> str:
        fenced = Clean(program("\n".join(lines[:shown])).replace("python", "diff", 1))
        return _render(
            "diff.md.j2", old=old.number, new=new.number, diff=fenced, shown=shown, left_out=len(lines) - shown
        )

    return _fitted(render, len(lines), most_bytes)


def notice(words: str, quoted: str = "") -> str:
    """Words of ours, and foreign text that belongs to them."""
    return _render("notice.md.j2", words=words, quoted=quoted)


def cut(text: str, most_bytes: int) -> str:
    """The first lines of a result that is too long; a code fence that they open is closed."""
    if len(text.encode("utf-8")) <= most_bytes:
        return text
    room, kept, fence = most_bytes - len(_LEFT_OUT.encode("utf-8")), "", ""
    for line_ in text.split("\n"):
        open_fence, more = _open_fence(fence, line_), f"{line_}\n"
        closing = f"{open_fence}\n" if open_fence else ""
        room -= len(more.encode("utf-8"))
        if room < len(closing):
            break
        kept, fence = kept + more, open_fence
    return kept + (f"{fence}\n" if fence else "") + _LEFT_OUT


def _open_fence(fence: str, line: str) -> str:
    """The fence that is open after a line, if ``fence`` was before; empty for none.

    CommonMark 0.31.2, section 4.5: only a line of as many of the same characters or more closes a fence.
    """
    if fence:
        mark = line.strip(" ")
        return "" if mark.startswith(fence) and not mark.strip(fence[0]) else fence
    found = _FENCE.match(line)
    return found[1] or found[2] if found else ""


def _fitted(render: Callable[[int], str], items: int, most_bytes: int) -> str:
    """The text with as many of its items as fit."""
    text = render(items)
    if len(text.encode("utf-8")) <= most_bytes:
        return text
    first_too_many = bisect_right(range(items), most_bytes, key=lambda shown: len(render(shown).encode("utf-8")))
    return render(max(0, first_too_many - 1))


def _score(evaluation: Evaluation | None) -> Estimate | None:
    if evaluation is None or evaluation.score is None or evaluation.stderr is None:
        return None
    low, high = evaluation.low, evaluation.high
    if low is None or high is None:
        return None
    return Estimate(mean=evaluation.score, stderr=evaluation.stderr, n=evaluation.n, low=low, high=high)


def _gain(tried: Tried) -> float | None:
    """Mean advantage over the parent on the same workloads, in points."""
    parent = tried.parent
    if parent is None or parent.outcome is not Outcome.OK or tried.evaluation.outcome is not Outcome.OK:
        return None
    if parent.n != tried.evaluation.n:
        return None
    return paired(tried.evaluation.shares, parent.shares).mean


def _beside(
    ours: Mapping[str, float], theirs: Mapping[str, float], metrics: Sequence[Metric]
) -> list[tuple[Metric, float, Clean | None]]:
    """Metrics in the order of their declaration, with the parent's value where there is one."""
    return [
        (metric, ours[metric.name], _amount(theirs[metric.name], metric) if metric.name in theirs else None)
        for metric in metrics
        if metric.name in ours
    ]


def _amount(value: float, metric: Metric) -> Clean:
    """A metric's value and unit, where its name stands before it already."""
    return Clean(quantity(value, line(metric.unit)))


def _row(result: WorkloadResult, parent: WorkloadResult | None, task: Task) -> dict[str, object]:
    room = result.ceiling - result.baseline
    way = (result.objective - result.baseline) / room if room > 0 else 0.0
    return {
        "result": result,
        "parent": parent,
        "theirs": _amount(parent.objective, task.objective) if parent else None,
        "marks": [_amount(value, task.objective) for value in (result.baseline, result.reference, result.ceiling)],
        "metrics": _beside(result.metrics, parent.metrics if parent else {}, task.metrics),
        "near_bound": way >= NEAR_BOUND,
        "beyond_reference": result.share >= 100.0,
    }


def _duration(evaluation: Evaluation) -> Clean:
    return Clean(duration(evaluation.seconds))


def _arguments(properties: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    return [(name, schema["description"]) for name, schema in properties.items()]


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values).strip("\n") + "\n"


@cache
def _environment() -> Environment:
    # The same filters and the same guard against text that went through none of them.
    return environment().overlay(loader=FileSystemLoader(Path(__file__).parent))
