"""Puts a brief together from what the search remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from evaluators.foreign.claim import is_claimed
from evaluators.model import Evaluation, Split
from evaluators.problem import Problem
from evolve.brief import Brief, Portrait, Task, WorkloadScore
from evolve.chronicle import Chronicle
from evolve.memory import Record, advantage
from evolve.proposal import Material, Selection

Records = Mapping[int, Record]
Tops = Mapping[tuple[int, str], float]


def make_brief(
    problem: Problem,
    selection: Selection,
    *,
    records: Records,
    yardstick: Record | None,
    best: int | None,
    chronicle: Chronicle,
) -> Brief:
    """What whoever writes the next program from this selection is told.

    Args:
        problem: what is improved.
        selection: the programs that were chosen.
        records: everybody in mind, the selected among them.
        yardstick: the best unmodified seed, once it is known.
        best: the candidate called best, once there is one.
        chronicle: what happened so far.
    """
    tops, told = _tops(records), problem.declaration.shown_by_kind
    shown = {material.number for material in (selection.parent, *selection.inspirations)}
    champion = records.get(best) if best is not None and best not in shown else None
    portraits = [_portrait(records.get(item.number), yardstick, tops, told) for item in selection.inspirations]
    number = selection.parent.number
    return Brief(
        task=make_task(problem),
        parent=_portrait(records.get(number), yardstick, tops, told) or _unmeasured(selection.parent),
        inspirations=tuple(portrait for portrait in portraits if portrait is not None),
        best=_portrait(champion, yardstick, tops, told),
        line=chronicle.line(number),
        failures=chronicle.failures,
        broken=chronicle.broken(number),
        plateau=chronicle.plateau(),
        insights=chronicle.insights,
        hypotheses=chronicle.hypotheses,
        told=chronicle.told,
    )


def make_task(problem: Problem) -> Task:
    """The fixed facts of what is asked."""
    facts = problem.declaration
    return Task(
        problem=facts.name,
        title=facts.title,
        statement=problem.statement,
        entry=facts.entry,
        parameters=facts.parameters,
        allowed_imports=tuple(sorted(facts.allowed_imports)),
        baseline=facts.baseline,
        reference=facts.reference,
        objective=facts.objective,
        metrics=facts.metrics,
        template=facts.template,
        claim=facts.claim,
    )


def _portrait(record: Record | None, yardstick: Record | None, tops: Tops, told: Sequence[str]) -> Portrait | None:
    train = record.estimate(Split.TRAIN) if record else None
    if record is None or train is None:
        return None
    block = max(record.train)
    latest = record.train[block]
    lead = advantage(record, yardstick, Split.TRAIN) if yardstick is not None and record is not yardstick else None
    return Portrait(
        number=record.number,
        title=record.candidate.operator,
        note=record.candidate.note,
        source=record.candidate.source,
        train=train,
        validation=record.estimate(Split.VALIDATION),
        lead=lead,
        workloads=tuple(
            WorkloadScore(
                kind=kind,
                share=share,
                best_share=tops.get((block, kind)),
                metrics={name: _mean(latest, kind, name) for name in told if name in latest.metrics},
            )
            for kind, share in sorted(_by_kind(latest).items(), key=lambda item: (item[1], item[0]))
        ),
        metrics=latest.metrics,
        told=latest.log if is_claimed(latest) else "",
    )


def _unmeasured(material: Material) -> Portrait:
    """A program of which no score is in mind any more, or none was measured yet."""
    return Portrait(number=material.number, title=material.title, note="", source=material.source, train=None)


def _tops(records: Records) -> Tops:
    """The highest score that anybody in mind has on each kind of workload of each train block."""
    tops: dict[tuple[int, str], float] = {}
    for record in records.values():
        for block, evaluation in record.train.items():
            for kind, share in _by_kind(evaluation).items():
                tops[block, kind] = max(share, tops.get((block, kind), share))
    return tops


def _mean(evaluation: Evaluation, kind: str, metric: str) -> float:
    return fmean(result.metrics[metric] for result in evaluation.workloads if result.kind == kind)


def _by_kind(evaluation: Evaluation) -> dict[str, float]:
    shares: dict[str, list[float]] = {}
    for result in evaluation.workloads:
        shares.setdefault(result.kind, []).append(result.share)
    return {kind: fmean(values) for kind, values in shares.items()}
