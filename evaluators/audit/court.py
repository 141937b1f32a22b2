"""What all parts of an audit share: the problem, a judge that screens nothing, a small block, honest exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from evaluators.audit.guests import Answer, AnsweringGuest, Exchange, RecordingGuest
from evaluators.audit.programs import Cheat
from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Evaluation, Outcome
from evaluators.problem import Guest, Measured, Problem, RefusedError, Workload, seed_named
from seeds import Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How the judge took a sequence of replies: measured, refused, or broken by them."""

    measured: Measured | None = None
    refused: RefusedError | None = None
    broke: Exception | None = None

    def __str__(self) -> str:
        """In words."""
        if self.measured is not None:
            return f"accepted with an objective of {self.measured.objective:.6g}"
        if self.refused is not None:
            return f"{self.refused.outcome.value}: {self.refused.reason}"
        return f"the judge itself failed: {type(self.broke).__name__}: {self.broke}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """Everything that the parts of an audit need.

    Args:
        problem: what is audited.
        judge: judges without the static screen, which is no boundary.
        block: a few of the cheapest workloads with their marks.
        cheats: cheats and honest controls.
        seed: seed of the audit's own random choices.
        strict: accept only the first expectation of a cheat.
    """

    problem: Problem
    judge: Judge
    block: Block
    cheats: Sequence[Cheat]
    seed: int
    strict: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether the objective is time."""
        return self.problem.declaration.timed

    @property
    def honest(self) -> Seed:
        """The program that cheats wrap: the baseline."""
        return seed_named(self.problem, self.problem.declaration.baseline)

    @property
    def workload(self) -> Workload:
        """The cheapest workload."""
        return self.block.standards[0].workload

    def is_caught(self, cheat: Cheat, outcome: Outcome, reason: str) -> bool:
        """Whether a cheat ended as it must.

        Only a declared check says ``wrong``, but each problem has its own, in its own words. So where one is expected
        to object, any may, unless the audit is strict.
        """
        if self.strict:
            return cheat.expectations[0].meets(outcome, reason)
        return any(end.meets(outcome, reason) or outcome is end.outcome is Outcome.WRONG for end in cheat.expectations)

    def rng(self, purpose: str) -> np.random.Generator:
        """Random choices that depend on the audit's seed and the purpose alone."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def record(self, workload: Workload | None = None) -> tuple[Measured, list[Exchange]]:
        """Let the honest program meet the cheapest workload (or another), and note every exchange."""
        with self.judge.guest(self.honest.source) as guest:
            recorder = RecordingGuest(guest)
            return self.problem.play(workload or self.workload, recorder), recorder.exchanges

    def try_replies(self, answer: Answer, off: frozenset[str] = frozenset(), workload: Workload | None = None) -> Trial:
        """Play the cheapest workload (or another) with made-up replies."""
        return try_guest(self.problem, workload or self.workload, AnsweringGuest(answer, off))


def try_guest(problem: Problem, workload: Workload, guest: Guest) -> Trial:
    """Let a guest of an audit meet a workload; whatever comes of it is a result."""
    try:
        with np.errstate(all="ignore"):  # without its checks a judge may well divide by zero
            return Trial(measured=problem.play(workload, guest))
    except RefusedError as error:
        return Trial(refused=error)
    except Exception as error:  # noqa: BLE001 - that a reply breaks the judge is what the audit wants to know
        return Trial(broke=error)


def replayed(exchanges: Sequence[Exchange], changed: dict[int, object] | None = None) -> Answer:
    """Answer as an honest program did, but for some calls."""
    other = changed or {}

    def answer(call: int, arguments: object, timeout_seconds: float) -> tuple[object, float]:
        del arguments, timeout_seconds
        exchange = exchanges[call % len(exchanges)]
        return other.get(call, exchange.value), exchange.seconds

    return answer


def gain(ours: Evaluation, honest: Evaluation) -> float:
    """By how many points an evaluation is above another on the same workloads; minus infinity where it has no score."""
    if ours.outcome is not Outcome.OK or honest.outcome is not Outcome.OK:
        return -np.inf
    return fmean(ours.shares) - fmean(honest.shares)
