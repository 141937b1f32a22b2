"""In which order a candidate meets a block's workloads, so that a race that it cannot win is over early."""

from __future__ import annotations

import math
from statistics import fmean

from evaluators.model import Evaluation, Outcome, Split

PRIOR = 12.0
"""How many verdicts the prior counts for: kinds that tell equally much and nothing of each other."""

MEMORY = 200.0
"""How many verdicts count at most, the prior not among them: as the search goes on, older ones fade."""

KINDS_KEPT = 64
"""How many kinds of workload are told apart; any beyond these are as the prior says."""


class Racing:
    """Orders workloads so that the first few of them foretell the lead on the whole block as well as so few can.

    What is learned of each kind of workload is how far a candidate's lead there lies from its lead on the whole block,
    and how these distances go together from kind to kind: two kinds that always err alike tell no more than one of
    them, and two that err in opposite directions tell more than either. The next workload is always the one that makes
    the mean lead on those played so far the best forecast (a greedy choice of the sample of least expected squared
    error; where kinds err independently it prefers the steady ones). Kinds and not positions are learned of, so that a
    new block profits at once.

    Seconds do not enter: the cheapest kinds are often of one family, so that what they tell is much the same, and a
    race that sees them alone stops candidates that are better elsewhere. Where nothing else decides, the block's own
    order does, and that is the cheapest first.

    State is a function of what it was told.
    """

    def __init__(self) -> None:
        self._seen = 0.0
        self._places: dict[str, int] = {}
        self._between: list[list[float]] = []
        self._within: list[float] = []

    def learn(self, evaluation: Evaluation, rival: Evaluation | None) -> None:
        """Take what a verdict shows; only one on a whole train block shows anything.

        Args:
            evaluation: the verdict.
            rival: the verdict on its parent, or whom else it is compared with, on the same block; None for the
                baseline, whose shares are 0.
        """
        if evaluation.outcome is not Outcome.OK or evaluation.split is not Split.TRAIN:
            return
        theirs = rival.shares if rival else (0.0,) * evaluation.n
        leads = [ours - other for ours, other in zip(evaluation.shares, theirs, strict=True)]
        lead = fmean(leads)
        size = math.sqrt(fmean([(each - lead) ** 2 for each in leads]))
        if size <= 1e-9 * max(map(abs, leads), default=0.0):
            return  # it leads by the same everywhere, or not at all
        # Each verdict counts alike, however large its leads are.
        by_kind: dict[str, list[float]] = {}
        for result, each in zip(evaluation.workloads, leads, strict=True):
            by_kind.setdefault(result.kind, []).append((each - lead) / size)
        self._seen = min(MEMORY, self._seen + 1)
        step = 1 / (self._seen + PRIOR)
        means = {self._place(kind): fmean(draws) for kind, draws in by_kind.items()}
        for kind, draws in by_kind.items():
            place = self._place(kind)
            if place is None:
                continue
            for other, mean in means.items():
                if other is not None:
                    row = self._between[place]
                    row[other] += step * (means[place] * mean - row[other])
            if len(draws) > 1:
                spread = sum((draw - means[place]) ** 2 for draw in draws) / (len(draws) - 1)
                self._within[place] += step * (spread - self._within[place])

    def order(self, evaluation: Evaluation) -> tuple[int, ...]:
        """Positions of a block's workloads, in the order in which they should be played.

        Args:
            evaluation: somebody's verdict on the whole block, such as the parent's, which tells its kinds.
        """
        waiting: dict[str, list[int]] = {}
        for position, result in enumerate(evaluation.workloads):
            waiting.setdefault(result.kind, []).append(position)
        places = {kind: self._places.get(kind) for kind in waiting}
        shared = dict.fromkeys(waiting, 0.0)  # of each kind with all that were chosen
        chosen: list[int] = []
        error = 0.0  # squared, of the sum over those chosen
        while waiting:
            added = {kind: 2 * shared[kind] + self._own(places[kind]) for kind in waiting}
            # Rounded, so that what is equal but for the last digit leaves the block's own order.
            kind = min(waiting, key=lambda kind: (round(added[kind], 9), waiting[kind][0]))
            error += added[kind]
            chosen.append(waiting[kind].pop(0))
            if not waiting[kind]:
                del waiting[kind]
            for other in waiting:
                shared[other] += self._common(places[kind], places[other], same=other == kind)
        return tuple(chosen)

    def _place(self, kind: str) -> int | None:
        """Where a kind's figures are kept; a new one begins with the prior."""
        if kind not in self._places and len(self._places) < KINDS_KEPT:
            self._places[kind] = len(self._places)
            for row in self._between:
                row.append(0.0)
            self._between.append([0.0] * len(self._places))
            self._between[-1][-1] = 0.5
            self._within.append(0.5)
        return self._places.get(kind)

    def _own(self, place: int | None) -> float:
        """Expected squared distance of one draw of a kind from the whole block."""
        return 1.0 if place is None else self._between[place][place] + self._within[place]

    def _common(self, one: int | None, other: int | None, *, same: bool) -> float:
        """How far two draws go together."""
        if one is None or other is None:
            return 0.5 if same else 0.0
        return self._between[one][other]
