"""What the search remembers of a candidate, and what it is ranked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from db.records import NewCandidate
from evaluators.model import Evaluation, Split
from evaluators.statistics import Estimate, paired, stratified

EVALUATIONS_KEPT = 12
"""How many evaluations of each split are remembered of a candidate, the latest ones; a champion meets ever more."""

LINE_KEPT = 12
"""How many generations up a candidate remembers those who were not validated yet."""


@dataclass(slots=True)
class Record:
    """One candidate that is worth remembering.

    Args:
        candidate: the candidate.
        discount: what its score loses from train to validation, in points, at most 0: its own once it was measured
            on validation, until then that of its nearest ancestor that was.
        line: its nearest ancestors that were not validated when it was measured, its parent first.
        train: ok evaluations by block.
        validation: ok evaluations by block.
    """

    candidate: NewCandidate
    discount: float = 0.0
    line: tuple[int, ...] = ()
    train: dict[int, Evaluation] = field(default_factory=dict)
    validation: dict[int, Evaluation] = field(default_factory=dict)
    _pooled: dict[Split, Estimate] = field(default_factory=dict)

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

        A program that fits the train machines alone must not father the rest of the search, nor may its children.
        """
        pooled = self.estimate(Split.TRAIN) or self.estimate(Split.VALIDATION)
        return pooled.low + self.discount if pooled else float("-inf")

    def add(self, evaluation: Evaluation) -> None:
        """Remember an ok evaluation, and forget the oldest where there are too many."""
        known = self.train if evaluation.split is Split.TRAIN else self.validation
        known[evaluation.block] = evaluation
        if len(known) > EVALUATIONS_KEPT:
            del known[min(known)]
        self._pooled[evaluation.split] = _pool(known)
        train, validation = self.estimate(Split.TRAIN), self.estimate(Split.VALIDATION)
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

    The kinds of workload are the same in every block, so only the spread between the draws of a kind counts.
    """
    mine, other = (r.train if split is Split.TRAIN else r.validation for r in (ours, theirs))
    shared = [met for met in mine if met in other and block in (None, met)]
    if not shared:
        return None
    return paired(
        [share for met in shared for share in mine[met].shares],
        [share for met in shared for share in other[met].shares],
        strata=[(met, result.kind) for met in shared for result in mine[met].workloads],
    )


def _pool(known: Mapping[int, Evaluation]) -> Estimate:
    """Over all blocks; the draws of a kind tell of its spread within their own block."""
    results = [(block, result) for block, evaluation in known.items() for result in evaluation.workloads]
    return stratified(
        [result.share for _, result in results],
        [result.stderr for _, result in results],
        [(block, result.kind) for block, result in results],
    )
