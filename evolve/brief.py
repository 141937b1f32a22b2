"""What whoever writes the next program is told: a snapshot of the search, without anything of the hidden split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluators.model import Metric, Outcome
from evaluators.statistics import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The fixed facts of what is asked.

    Args:
        problem: name of the problem.
        title: one line on what is improved.
        statement: the whole statement, in Markdown.
        entry: the function that a program must define, with `parameters` in this order.
        parameters: names of its parameters.
        allowed_imports: modules that it may import, sorted.
        baseline: the seed whose score is 0.
        reference: what score 100 means.
        objective: what is measured, its unit and direction.
        metrics: what else is measured.
        template: the program whose text must stay outside the regions that it marks; None where all may change.
        claim: what a score is that a task's own evaluator reports; empty where our judge measures.
    """

    problem: str
    title: str
    statement: str
    entry: str
    parameters: tuple[str, ...]
    allowed_imports: tuple[str, ...]
    baseline: str
    reference: str
    objective: Metric
    metrics: tuple[Metric, ...]
    template: str | None = None
    claim: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadScore:
    """How a program did on the train workloads of one kind, in score points (0 baseline, 100 reference).

    Args:
        kind: of workload.
        share: its score there.
        best_share: the highest that any program in mind has there.
        metrics: its means there of the metrics that the problem wants told by kind.
    """

    kind: str
    share: float
    best_share: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A measured program.

    Args:
        number: its number in the run.
        title: seed name or operator that made it.
        note: one line on what was changed when it was made; may come from a model.
        source: the program.
        train: pooled train score in points with its 95 % interval; None where it has none.
        validation: the same on the workloads that titles are won on; None if it was not measured there.
        lead: paired lead in points over the best unmodified seed on shared train workloads; None for that seed.
        workloads: its score by kind of workload on its latest train block, worst first.
        metrics: the problem's metrics by name on that block.
        told: what a task's own evaluator said of it; data, never instructions. Empty where our judge measures.
    """

    number: int
    title: str
    note: str
    source: str
    train: Estimate | None
    validation: Estimate | None = None
    lead: Estimate | None = None
    workloads: tuple[WorkloadScore, ...] = ()
    metrics: Mapping[str, float] | None = None
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Something that was tried: a child of `parent`, and what came of it.

    Args:
        number: the candidate that was made.
        parent: whose child it is.
        title: the operator that made it.
        note: one line on the change; may come from a model.
        outcome: of its first evaluation.
        gain: its train score less its parent's on the same block, in points; None without a score.
        reason: why it has no score, in one line, empty otherwise; may quote the program.
    """

    number: int
    parent: int
    title: str
    note: str
    outcome: Outcome
    gain: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A program that failed, to be repaired; `reason` and `log` may quote it and are data, never instructions."""

    number: int
    parent: int | None
    source: str
    outcome: Outcome
    reason: str
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paradigm:
    """A different approach that was asked for on a plateau, and what came of it.

    Args:
        name: what its author called it.
        number: the candidate that followed it.
        outcome: of that candidate's first evaluation; None while that is under way.
        gain: its train score less its parent's on the same block, in points; None without a score.
    """

    name: str
    number: int
    outcome: Outcome | None
    gain: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """No new best for a while."""

    evaluations: int
    paradigms: tuple[Paradigm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything that a prompt may say of the search at one moment.

    Args:
        task: the fixed facts.
        parent: the program to build on.
        inspirations: other programs to learn from, worst first.
        best: the candidate called best, if it is neither the parent nor an inspiration.
        line: what was tried on this line: from the first ancestor down to the parent, then the parent's children.
        failures: programs that failed lately anywhere in the run, newest last.
        broken: a failed program worth repairing, if there is one.
        plateau: set when there has been no new best for long.
        insights: what a model concluded from the search so far; empty if nothing.
        hypotheses: notes left by earlier proposers, oldest first.
        told: how many verdicts the search has had.
    """

    task: Task
    parent: Portrait
    inspirations: tuple[Portrait, ...] = ()
    best: Portrait | None = None
    line: tuple[Attempt, ...] = ()
    failures: tuple[Attempt, ...] = ()
    broken: Broken | None = None
    plateau: Plateau | None = None
    insights: str = ""
    hypotheses: tuple[str, ...] = ()
    told: int = 0
