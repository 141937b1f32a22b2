"""Who is remembered in a search, and what they are ranked by: told by verdicts, forgotten when nobody needs them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean

from db.records import NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Problem
from evolve import ranking
from evolve.lesson import Lesson
from evolve.memory import Record, advantage
from evolve.novelty import Novelty
from evolve.proposal import Material
from evolve.repeats import REPEAT_BLOCK
from evolve.selectors.protocol import Member
from evolve.steering import Steering

CONFIRMED_KEPT = 24
"""How many candidates that were measured on validation stay in mind as possible finalists."""


class Population:
    """The candidates in mind, their programs, and the best unmodified seed, which everybody is compared with.

    Args:
        problem: what is improved.
        steering: whose selectors hear of everybody's rank.
        novelty: remembers the programs; None where nobody asks how new one is.
    """

    def __init__(self, problem: Problem, steering: Steering, novelty: Novelty | None = None) -> None:
        self._problem = problem
        self._steering = steering
        self._novelty = novelty
        self.records: dict[int, Record] = {}
        self.materials: dict[int, Material] = {}
        self.yardstick: Record | None = None
        self._failed: set[int] = set()

    @property
    def seeds(self) -> list[Record]:
        """The unmodified starting programs that are measured."""
        return [record for record in self.records.values() if record.is_seed]

    @property
    def failed_seeds(self) -> int:
        """How many starting programs failed when they were measured again."""
        return sum(number < len(self._problem.seeds) for number in self._failed)

    def has_failed(self, number: int) -> bool:
        """Whether a candidate failed in a further evaluation."""
        return number in self._failed

    def learn(self, candidate: NewCandidate) -> None:
        """A program may be built upon from now on, measured or not."""
        self.materials[candidate.number] = Material(
            number=candidate.number, source=candidate.source, title=candidate.operator
        )

    def add(self, candidate: NewCandidate, evaluation: Evaluation) -> Record:
        """Remember an ok evaluation of a candidate."""
        record = self.records.get(candidate.number)
        if record is None:
            record = self._remember(candidate)
        record.add(evaluation)
        if evaluation.split is Split.TRAIN:
            self.learn(candidate)
            if self._novelty is not None:
                self._novelty.remember(candidate.number, candidate.source)
        return record

    def rank(self, record: Record) -> None:
        """Tell the selectors where somebody stands now."""
        pooled = record.estimate(Split.TRAIN)
        if pooled is None or record.merit == float("-inf"):
            return
        ordinary = [block for block in record.train if block < REPEAT_BLOCK]
        metrics = record.train[max(ordinary or record.train)].metrics
        parents = record.candidate.parents
        self._steering.tell(
            Member(
                number=record.number,
                mean=pooled.mean,
                low=record.merit,
                cell=tuple(
                    bisect_right(descriptor.edges, metrics[descriptor.metric])
                    for descriptor in self._problem.declaration.descriptors
                ),
                is_seed=record.is_seed,
                parent=parents[0] if parents else None,
                kinds=self._leads_by_kind(record),
            )
        )

    def rank_all(self) -> None:
        """Tell the selectors where everybody stands now."""
        for record in self.records.values():
            self.rank(record)

    def choose_yardstick(self, seeds: Sequence[Record]) -> None:
        """Compare everybody with the best of these from now on."""
        self.yardstick = max(seeds, key=lambda seed: (seed.merit, -seed.number), default=None)
        ranking.measure_all_by(self.yardstick, self.records)
        self.rank_all()

    def lesson(self, candidate: NewCandidate, planned: Planned, evaluation: Evaluation) -> Lesson:
        """What a verdict on train workloads teaches."""
        parent = self.records.get(candidate.parents[0]) if candidate.parents else None
        others = [other.merit for other in self.records.values() if other.number != candidate.number]
        record = self.records.get(candidate.number)
        is_ok = evaluation.outcome is Outcome.OK
        return Lesson(
            candidate=candidate,
            evaluation=evaluation,
            is_first=planned.purpose is Purpose.SEARCH,
            value=self._pooled(record) if is_ok and record else self._value(evaluation),
            merit=_finite(record.merit) if is_ok and record else None,
            parent_merit=_finite(parent.merit) if parent else None,
            best_merit=_finite(max(others, default=float("-inf"))),
        )

    def disqualify(self, number: int, purpose: Purpose) -> Record | None:
        """A candidate that failed anywhere keeps no score; returns what was known of it, if anything was."""
        if purpose is not Purpose.SEARCH:
            # Another evaluation of it may be under way, and must not bring it back.
            self._failed.add(number)
        record = self.records.pop(number, None)
        if record is None:
            return None
        if record is self.yardstick:
            self.choose_yardstick([seed for seed in self.seeds if seed.validation])
        self._steering.drop(number)
        self._forget(number)
        return record

    def prune(self, needed: set[int]) -> None:
        """Keep memory bounded: whom selectors may choose, those measured on validation, seeds and whoever is needed."""
        kept = self._steering.kept() | needed | set(range(len(self._problem.seeds)))
        # On a new block before the yardstick is: ranked as soon as that has met it too.
        kept |= {record.number for record in self.records.values() if record.merit == float("-inf")}
        confirmed = [record for record in self.records.values() if record.validation]
        confirmed.sort(key=lambda record: record.merit, reverse=True)
        kept |= {record.number for record in confirmed[:CONFIRMED_KEPT]}
        for number in [n for n in self.records if n not in kept]:
            del self.records[number]
            self._forget(number)

    def _remember(self, candidate: NewCandidate) -> Record:
        record = Record(candidate=candidate, is_kernel=self._problem.declaration.kernel)
        parent = self.records.get(candidate.parents[0]) if candidate.parents else None
        record.yardstick = self.yardstick
        if parent:
            record.inherit(parent)
        self.records[candidate.number] = record
        return record

    def _forget(self, number: int) -> None:
        self.materials.pop(number, None)
        if self._novelty is not None:
            self._novelty.forget(number)

    def _pooled(self, record: Record) -> float | None:
        """The same over all blocks of train that both have met."""
        if self.yardstick is None or record is self.yardstick:
            pooled = record.estimate(Split.TRAIN)
            return pooled.mean if pooled else None
        lead = advantage(record, self.yardstick, Split.TRAIN)
        return self.yardstick.mark + lead.mean if lead else None

    def _value(self, evaluation: Evaluation) -> float | None:
        """Mean lead over the yardstick on the workloads that were finished, added to its mark; see `Lesson`."""
        if evaluation.outcome not in {Outcome.OK, Outcome.STOPPED} or not evaluation.workloads:
            return None
        theirs = self._shares_of_yardstick(evaluation)
        if theirs is None or self.yardstick is None:
            return evaluation.score if self.yardstick is None else None
        leads = [result.share - theirs[result.name] for result in evaluation.workloads if result.name in theirs]
        return self.yardstick.mark + fmean(leads) if leads else None

    def _shares_of_yardstick(self, evaluation: Evaluation) -> dict[str, float] | None:
        measured = self.yardstick.train.get(evaluation.block) if self.yardstick else None
        return {result.name: result.share for result in measured.workloads} if measured else None

    def _leads_by_kind(self, record: Record) -> dict[str, float]:
        leads: dict[str, list[float]] = {}
        for evaluation in record.train.values():
            theirs = self._shares_of_yardstick(evaluation)
            for result in evaluation.workloads if theirs else ():
                leads.setdefault(result.kind, []).append(result.share - (theirs or {}).get(result.name, 0.0))
        return {kind: fmean(values) for kind, values in leads.items()}


def _finite(merit: float) -> float | None:
    return None if merit == float("-inf") else merit
