"""What judging means: outcomes, metrics and evaluations.

These values are light (no numpy, torch or ray behind them), because `db` and `reports` use them too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class EvaluatorError(RuntimeError):
    """The judge itself failed; never charged to a candidate."""


class Outcome(StrEnum):
    """The closed list of what can come of an evaluation; only ``OK`` carries a score.

    ``CORRECT`` means that nothing is wrong as far as this machine can tell, and that it cannot tell enough for a score.
    """

    OK = "ok"
    CORRECT = "correct"
    STOPPED = "stopped"
    WRONG = "wrong"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    REJECTED = "rejected"
    CHEATED = "cheated"
    QUARANTINED = "quarantined"


class Split(StrEnum):
    """Which workloads an evaluation met."""

    TRAIN = "train"
    VALIDATION = "validation"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure that a problem measures beside its score; unit and direction are declared once, here."""

    name: str
    unit: str
    higher_is_better: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadResult:
    """How a candidate did on one workload.

    Args:
        name: the workload, unique within its block.
        objective: the candidate's objective J, in the problem's natural unit.
        baseline: J of the baseline on the same workload (score 0).
        reference: J of the reference on the same workload (score 100).
        ceiling: proven upper bound of J on this workload.
        share: this workload's part of the score: ``100 * (J - baseline) / mean(reference - baseline)``
            with the mean over all workloads of the block, so that the score is the mean of the shares.
        stderr: standard error of ``share``: the spread inside the workload, or between draws of its stratum.
        stratum: the law that it was drawn from, see `kind`; empty where it is the only draw, or was stored before
            strata were.
        metrics: the problem's further metrics on this workload, by name.
    """

    name: str
    objective: float
    baseline: float
    reference: float
    ceiling: float
    share: float
    stderr: float = 0.0
    stratum: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Workloads of one kind are draws of one law, within a block; one without a stratum is a kind of its own."""
        return self.stratum or self.name

    def __post_init__(self) -> None:
        """Refuse what is not a finite number."""
        for label in ("objective", "baseline", "reference", "ceiling", "share", "stderr"):
            if not math.isfinite(getattr(self, label)):
                raise EvaluatorError(f"workload {self.name}: {label} is not finite")
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                raise EvaluatorError(f"workload {self.name}: metric {name} is not finite")


def lead_errors(pairs: Sequence[tuple[WorkloadResult, WorkloadResult]]) -> list[float]:
    """Standard errors of the leads of one kernel over another: both were clocked beside the baseline by themselves."""
    return [math.hypot(one.stderr, its.stderr) for one, its in pairs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The verdict on one program over one block of workloads.

    Args:
        problem: name of the problem.
        split: which split the workloads came from.
        block: number of the block within its split; the same block means the same workloads.
        digest: digest of the workload set's definition; scores of different digests never compare.
        outcome: what came of it.
        reason: one line, empty when the outcome is ok; may quote the candidate, truncated.
        score: mean of the workloads' shares; None unless the outcome is ok.
        stderr: standard error of the score, the draw included where a kind was drawn twice; None unless ok.
        low: lower end of its two-sided 95 % interval; None unless ok.
        high: upper end of that interval; None unless ok.
        workloads: one result for each workload that was finished, in the block's order, whatever order they ran in.
        metrics: mean over workloads of each declared metric; complete when ok, else what there is.
        seconds: wall time of the whole evaluation.
        host: where it ran: machine, versions, what the sandbox enforced.
        log: what the program printed, truncated.
        spared: how many workloads were not played because it was raced out; 0 unless stopped.
    """

    problem: str
    split: Split
    block: int
    digest: str
    outcome: Outcome
    reason: str = ""
    score: float | None = None
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    workloads: tuple[WorkloadResult, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    host: Mapping[str, str] = field(default_factory=dict)
    log: str = ""
    spared: int = 0

    def __post_init__(self) -> None:
        """Refuse a score without an ok, an ok without a score, and numbers that are not finite."""
        numbers = (self.score, self.stderr, self.low, self.high)
        if self.outcome is Outcome.OK:
            if any(number is None or not math.isfinite(number) for number in numbers):
                raise EvaluatorError(f"an ok evaluation needs finite numbers, not {numbers}")
            if not self.workloads:
                raise EvaluatorError("an ok evaluation needs at least one workload")
        elif any(number is not None for number in numbers):
            raise EvaluatorError(f"outcome {self.outcome.value} carries no score, got {numbers}")
        elif not self.reason:
            raise EvaluatorError(f"outcome {self.outcome.value} needs a reason")
        if self.spared < 0 or (self.spared and self.outcome is not Outcome.STOPPED):
            raise EvaluatorError(f"only a stopped evaluation spares workloads, not {self.outcome.value}: {self.spared}")

    @property
    def n(self) -> int:
        """How many workloads were finished."""
        return len(self.workloads)

    @property
    def is_on_gpu(self) -> bool:
        """Whether it was clocked on a GPU: then the errors of its shares hold all that a time there may vary by."""
        return "gpu" in self.host

    @property
    def shares(self) -> tuple[float, ...]:
        """The workloads' shares of the score, in the block's order."""
        return tuple(result.share for result in self.workloads)
