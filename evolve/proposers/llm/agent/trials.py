"""Trying programs out on the smoke workload, beside the parent."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from evaluators.model import Evaluation, Outcome, Split
from evolve.proposers.llm.agent.limits import Meter

KEPT_PARENTS = 64


class TrialsOverError(RuntimeError):
    """No program can be tried out any more, such as at the end of a run; the message says why, for the model."""


class Trials(Protocol):
    """Judges programs on one smoke workload; keeps nothing, and never touches the hidden split."""

    async def evaluate(self, source: str) -> Evaluation:
        """Judge a program.

        Raises:
            TrialsOverError: no program can be tried out any more. Any other exception is a failure of ours.
        """


class LeakError(RuntimeError):
    """A trial met workloads that no proposer may know of."""


class Parents:
    """Trials of parents, which many conversations want and none pays for; the latest are kept.

    Args:
        trials: who judges.
    """

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._known: OrderedDict[str, Evaluation] = OrderedDict()

    async def beside(self, source: str, evaluation: Evaluation) -> Evaluation | None:
        """The parent's verdict on the same workload; None where its trial met another one."""
        key = _digest(source)
        known = self._known.get(key)
        if known is None or not _same_workloads(known, evaluation):
            known = await judged(self._trials, source)
            self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > KEPT_PARENTS:
            self._known.popitem(last=False)
        return known if _same_workloads(known, evaluation) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A program that was tried out, and its parent's verdict on the same workload; None where that cannot be had."""

    source: str
    evaluation: Evaluation
    parent: Evaluation | None


class Workbench:
    """Tries out the programs of one conversation; each costs once.

    Args:
        trials: who judges.
        parents: trials of parents.
        parent: the parent's program.
        meter: counts evaluations.
    """

    def __init__(self, trials: Trials, parents: Parents, *, parent: str, meter: Meter) -> None:
        self._trials = trials
        self._parents = parents
        self._parent = parent
        self._meter = meter
        self._tried: dict[str, Tried] = {}

    def known(self, source: str) -> Tried | None:
        """What an earlier trial of this very program gave."""
        return self._tried.get(_digest(source))

    async def try_out(self, source: str) -> Tried:
        """Try a program out; whoever calls has looked whether an evaluation is left.

        Raises:
            TrialsOverError: no program can be tried out any more.
        """
        evaluation = await judged(self._trials, source)
        self._meter.evaluations += 1
        try:
            parent = await self._parents.beside(self._parent, evaluation)
        except TrialsOverError:
            parent = None
        tried = Tried(source=source, evaluation=evaluation, parent=parent)
        self._tried[_digest(source)] = tried
        return tried

    @property
    def count(self) -> int:
        """How many programs were tried out."""
        return len(self._tried)

    @property
    def best(self) -> Tried | None:
        """The one with the highest lower bound, the first of equals; None if none had a score."""
        ok = [tried for tried in self._tried.values() if tried.evaluation.outcome is Outcome.OK]
        return max(ok, key=lambda tried: tried.evaluation.low or 0.0, default=None)


async def judged(trials: Trials, source: str) -> Evaluation:
    """Try a program out, and see to it that nothing of the hidden split comes back.

    Raises:
        LeakError: it met hidden workloads.
    """
    evaluation = await trials.evaluate(source)
    if evaluation.split is Split.HIDDEN:
        raise LeakError("a trial was judged on hidden workloads; give Agent trials on the smoke workload")
    return evaluation


def _same_workloads(one: Evaluation, other: Evaluation) -> bool:
    return (one.split, one.block, one.digest) == (other.split, other.block, other.digest)


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
