"""What the search remembers of a candidate, and what it is ranked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from db.records import NewCandidate
from evaluators.model import Evaluation, Split, lead_errors
from evaluators.statistics import Estimate, paired, stratified

EVALUATIONS_KEPT = 12
"""How many evaluations of each split are remembered of a candidate: the first and the latest; a champion meets more."""

LINE_KEPT = 12
"""How many generations up a candidate remembers those who were not validated yet."""


@dataclass(slots=True)
class Record:
    """One candidate that is worth remembering.

    Args:
        candidate: the candidate.
        discount: what its lead over the yardstick loses from train to validation, in points, at most 0: its own once
            it was measured on validation, until then that of its nearest ancestor that was.
        line: its nearest ancestors that were not validated when it was measured, its parent first.
        train: ok evaluations by block.
        validation: ok evaluations by block.
        yardstick: the best unmodified starting program, which everybody is compared with; None until it is known.
        mark: of the yardstick, its train score when it became that, so that merits look like scores.
        is_kernel: whether it is a kernel: then the error of each workload's share holds all that a time may vary by.
    """

    candidate: NewCandidate
    discount: float = 0.0
    line: tuple[int, ...] = ()
    train: dict[int, Evaluation] = field(default_factory=dict)
    validation: dict[int, Evaluation] = field(default_factory=dict)
    yardstick: Record | None = field(default=None, repr=False)
    mark: float = 0.0
    is_kernel: bool = False
    _pooled: dict[Split, Estimate] = field(default_factory=dict)
    _told: int = 0
    _merit: tuple[tuple[int, int], float] | None = None

    @property
    def number(self) -> int:
        """The candidate's number."""
        return self.candidate.number

    @property
    def is_seed(self) -> bool:
        """Whether it is an unmodified starting program."""
        return self.candidate.proposer == "seed"

    @property
    def merit(self) -> float:
        """What it is ranked by: its lower bound on train, less what is known to be lost on validation.

        The bound is that of the paired lead over the yardstick, for what a block's draw does to a score it does to all
        who meet it. A program that fits the train machines alone must not father the rest of the search, nor may
        its children.
        """
        yardstick = self.yardstick
        if yardstick is None:
            pooled = self.estimate(Split.TRAIN) or self.estimate(Split.VALIDATION)
            return pooled.low + self.discount if pooled else float("-inf")
        if yardstick is self:
            return self.mark
        told = (self._told, yardstick._told)
        if self._merit is None or self._merit[0] != told:
            lead = advantage(self, yardstick, Split.TRAIN)
            self._merit = (told, yardstick.mark + lead.low if lead else float("-inf"))
        return self._merit[1] + self.discount

    def measure_by(self, yardstick: Record | None, parent: Record | None) -> None:
        """From now on, rank it by its lead over this one.

        Args:
            yardstick: the best unmodified starting program; None to rank it by its score.
            parent: whom it has its discount from until it is measured on validation itself, if remembered.
        """
        self.yardstick = yardstick
        self._merit = None
        if self is yardstick:
            pooled = self.estimate(Split.TRAIN)
            self.mark = pooled.mean if pooled else 0.0
        self.discount = parent.discount if parent else 0.0
        self._learn_own_discount()

    def add(self, evaluation: Evaluation) -> None:
        """Remember an ok evaluation, and forget the oldest where there are too many."""
        known = self.train if evaluation.split is Split.TRAIN else self.validation
        known[evaluation.block] = evaluation
        if len(known) > EVALUATIONS_KEPT:
            del known[sorted(known)[1]]
        self._told += 1
        self._pooled[evaluation.split] = _pool(known)
        self._learn_own_discount()

    def _learn_own_discount(self) -> None:
        if self.yardstick is None:
            train, validation = self.estimate(Split.TRAIN), self.estimate(Split.VALIDATION)
        else:
            train, validation = (advantage(self, self.yardstick, split) for split in (Split.TRAIN, Split.VALIDATION))
        if train and validation:
            self.discount = min(0.0, validation.mean - train.mean)

    def estimate(self, split: Split) -> Estimate | None:
        """Pooled estimate over the ok evaluations of a split."""
        return self._pooled.get(split)

    def inherit(self, parent: Record) -> None:
        """Take over from its parent what is known of the way from train to validation."""
        self.discount = parent.discount
        self.line = () if parent.validation else (parent.number, *parent.line)[:LINE_KEPT]

    def learn_from(self, ancestor: Record) -> bool:
        """Take over what an ancestor's first validation shows; returns whether that concerns it."""
        if self.validation or ancestor.number not in self.line:
            return False
        self.line = self.line[: self.line.index(ancestor.number)]
        self.discount = ancestor.discount
        return True


def advantage(ours: Record, theirs: Record, split: Split, *, block: int | None = None) -> Estimate | None:
    """Paired advantage in points on a block, or over all blocks of a split, that both have met; None without any.

    The kinds of workload are the same in every block, so only the spread between the draws of a kind counts; of a
    kernel's shape, which is drawn once, the errors of the two times.
    """
    mine, other = (r.train if split is Split.TRAIN else r.validation for r in (ours, theirs))
    shared = [met for met in mine if met in other and block in (None, met)]
    if not shared:
        return None
    pairs = [pair for met in shared for pair in zip(mine[met].workloads, other[met].workloads, strict=True)]
    return paired(
        [one.share for one, _ in pairs],
        [its.share for _, its in pairs],
        strata=[(met, result.kind) for met in shared for result in mine[met].workloads],
        errors=lead_errors(pairs) if ours.is_kernel else None,
    )


def _pool(known: Mapping[int, Evaluation]) -> Estimate:
    """Over all blocks; the draws of a kind tell of its spread within their own block."""
    results = [(block, result) for block, evaluation in known.items() for result in evaluation.workloads]
    return stratified(
        [result.share for _, result in results],
        [result.stderr for _, result in results],
        [(block, result.kind) for block, result in results],
    )
