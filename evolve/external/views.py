"""What is told to somebody outside, as JSON: never a figure of the hidden split, nor one that depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.archive import Archive
from db.records import Purpose, Standing
from evaluators.foreign.claim import reported_by
from evaluators.model import Split
from evaluators.problem import Problem
from evolve.brief import Brief, Portrait
from evolve.briefing import make_task
from evolve.external.allowance import Allowance
from evolve.external.model import Judged, Sheet
from reports.evaluation import estimate_json, evaluation_json, metrics_json

Json = dict[str, Any]

HOW_TO_WORK = """\
1. POST /ask gives you an order: a ticket, a program to build on and a prompt with all that is known. Read it.
2. Write one whole program. Nobody but the judge measures it; a quick check of your own for syntax and shapes is fine.
3. POST /evaluate hands it in with the ticket and answers with its score on train workloads.
4. Scores come with 95 % intervals. A difference within them is no progress.
5. Ask again. Every order shows what was learned meanwhile, also by others. Stop when an answer says that the budget is
   spent or the sitting over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Reads the archive for somebody outside; any thread may ask.

    Args:
        archive: what happened.
        run_id: in which run.
        problem: what is improved.
        allowance: what is left of the budget.
    """

    archive: Archive
    run_id: int
    problem: Problem
    allowance: Allowance

    def task(self) -> Json:
        """What is asked, the rules, the starting programs and how to work."""
        from evolve.proposers.llm.prompts import task_text  # noqa: PLC0415

        facts = self.problem.declaration
        task = make_task(self.problem)
        nobody = Portrait(number=0, title="", note="", source="", train=None)
        return {
            "problem": facts.name,
            "title": facts.title,
            "text": task_text(Brief(task=task, parent=nobody)),
            "statement": self.problem.statement,
            "interface": {
                "entry": facts.entry,
                "parameters": list(facts.parameters),
                "allowed_imports": sorted(facts.allowed_imports),
                "template": facts.template,
            },
            "scale": {"0": facts.claim or facts.baseline, "100": facts.reference},
            "metrics": [
                {
                    "name": metric.name,
                    "unit": metric.unit,
                    "higher_is_better": metric.higher_is_better,
                    "description": metric.description,
                }
                for metric in (facts.objective, *facts.metrics)
            ],
            "seeds": [
                {"number": number, "name": seed.name, "summary": seed.summary, "source": seed.source}
                for number, seed in enumerate(self.problem.seeds)
            ],
            "how_to_work": HOW_TO_WORK,
            "budget": self.budget(),
        }

    def budget(self) -> Json:
        """Limits, what is used and what is left; null means no limit."""
        used, limits = self.allowance.used(), self.allowance.budget
        elapsed = self.allowance.elapsed_seconds
        return {
            "evaluations": limits.evaluations,
            "evaluations_used": used.recorded,
            "evaluations_in_flight": used.in_flight,
            "evaluations_left": self.allowance.left(),
            "seconds": limits.seconds,
            "seconds_used": round(elapsed, 1),
            "seconds_left": None if limits.seconds is None else max(round(limits.seconds - elapsed, 1), 0.0),
        }

    def sheet(self, sheet: Sheet) -> Json:
        """An order."""
        order = sheet.order
        return {
            "ticket": order.ticket,
            "asker": order.asker,
            "prompt": sheet.prompt,
            "parent": self.portrait(order.parent),
            "inspirations": [self.portrait(number) for number in order.inspirations],
            "issued": order.issued,
            "expires": order.expires,
            "times": order.times,
            "budget": self.budget(),
        }

    def holds(self, number: int) -> bool:
        """Whether there is such a candidate."""
        return 0 <= number < self.archive.run_by_id(self.run_id).candidates

    def portrait(self, number: int) -> Json:
        """A candidate with its source and where it stands."""
        record = self.archive.candidate(self.run_id, number)
        return {**self._row(self.archive.standing(self.run_id, number)), "source": record.source}

    def judged(self, judged: Judged, *, best: int | None, ticket: int | None) -> Json:
        """The first verdict on a program that was handed in."""
        return {
            "candidate": judged.number,
            "ticket": ticket,
            "state": "judged",
            "best": judged.number == best,
            "evaluation": evaluation_json(judged.evaluation, self.problem.declaration.metrics),
        }

    def candidate(self, number: int, *, best: int | None) -> Json:
        """A candidate: program, standing, verdicts on train workloads, outcomes of those on validation workloads."""
        records = [
            record
            for record in self.archive.evaluations(self.run_id, number)
            if record.planned.split is not Split.HIDDEN and record.planned.purpose is not Purpose.FINAL
        ]
        return {
            **self.portrait(number),
            "state": "judged" if any(record.evaluation for record in records) else "judging",
            "best": number == best,
            "evaluations_in_flight": sum(record.evaluation is None for record in records),
            "confirmations": [
                record.evaluation.outcome
                for record in records
                if record.evaluation is not None and record.planned.split is Split.VALIDATION
            ],
            "evaluations": [
                evaluation_json(record.evaluation, self.problem.declaration.metrics)
                for record in records
                if record.evaluation is not None and record.planned.split is Split.TRAIN
            ],
        }

    def leaderboard(self, top: int, *, best: int | None) -> list[Json]:
        """Candidates by the lower end of their train score, the highest first."""
        standings = self.archive.standings(self.run_id, split=Split.TRAIN, top=top)
        return [
            {"rank": rank, "best": standing.number == best, **self._row(standing)}
            for rank, standing in enumerate(standings, start=1)
        ]

    def status(self, *, best: int | None, now: datetime, phase: str) -> Json:
        """Where the run stands."""
        run = self.archive.run_by_id(self.run_id)
        return {
            "run": run.name,
            "problem": run.problem,
            "phase": phase,
            "budget": self.budget(),
            "candidates": run.candidates,
            "outcomes": {outcome.value: total for outcome, total in run.counts.get(Purpose.SEARCH, {}).items()},
            "duplicates": run.duplicates,
            "unusable": run.unusable,
            "best": None if best is None else self._row(self.archive.standing(self.run_id, best)),
            "open_orders": [
                {
                    "ticket": order.ticket,
                    "asker": order.asker,
                    "parent": order.parent,
                    "issued": order.issued,
                    "expires": order.expires,
                    "expired": order.expires <= now,
                    "times": order.times,
                }
                for order in self.archive.open_orders(self.run_id)
            ],
        }

    def _row(self, standing: Standing) -> Json:
        shown: Mapping[Split, Any] = standing.estimates
        return {
            "number": standing.number,
            "reported_by": reported_by(claimed=bool(self.problem.declaration.claim)),
            "proposer": standing.proposer,
            "operator": standing.operator,
            "parents": list(standing.parents),
            "note": standing.note,
            "outcome": standing.outcome,
            "train": estimate_json(shown.get(Split.TRAIN)),
            "validation": estimate_json(shown.get(Split.VALIDATION)),
            "metrics": metrics_json(standing.metrics, self.problem.declaration.metrics),
        }
