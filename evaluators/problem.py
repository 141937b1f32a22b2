"""What a problem declares, and how it meets a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from evaluators.model import Metric, Outcome, Split
from evaluators.region import RegionError, frozen_parts
from evaluators.replies import Array, Expected
from evaluators.timing import Plan, Timing
from sandbox import Limits
from seeds import Seed

Clock = Callable[[], float]
Arguments = Mapping[str, Array | int | float | str | None]


class ProblemError(RuntimeError):
    """A problem or its workloads cannot be had; the message says what, where and how to mend it."""


class RefusedError(Exception):
    """A candidate failed on a workload. It is data, not a fault of ours: the judge turns it into an outcome.

    Args:
        outcome: what it is recorded as.
        reason: why, in one line.
        check: name of the check that it failed; empty where it did not answer at all.
    """

    def __init__(self, outcome: Outcome, reason: str, *, check: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.check = check


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a guest program answered: a read-only array of the declared form, and the time it took in seconds."""

    value: Array
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One timed call: what is asked, and the form that the reply must have."""

    arguments: Arguments
    expected: Expected


Draws = Callable[[int], Draw]
"""Gives the draw of any number from 0 on. All have one form (dtype and shape), no two the same contents."""


class Guest(Protocol):
    """A program in its sandbox, in a fresh process; its module state lasts as long as the guest."""

    def call(self, arguments: Arguments, timeout_seconds: float, expected: Expected) -> Reply:
        """Call the program's entry with keywords, and hold its reply to the declared form.

        Raises:
            RefusedError: the program did not answer, or not in this form.
        """

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """Time the program against the baseline, call by call on the same draws, holding every reply to its form.

        For problems that declare themselves `Declaration.timed`.

        Args:
            draws: makes as many draws as are wanted; how many that is depends on the noise and on the program.
            timeout_seconds: for each call.

        Raises:
            RefusedError: the program did not answer, or not in this form, or it worked when it was not its turn.
        """

    def refuse(self, check: str, outcome: Outcome, reason: str) -> None:
        """Refuse the program by one of the checks that its problem declares beside the form of replies.

        Returns only where an audit has switched off that very check.

        Raises:
            RefusedError: always, but for that.
        """


class Workload(Protocol):
    """One thing to be measured on; whatever else it holds is its problem's business."""

    @property
    def name(self) -> str:
        """Unique within a block."""

    @property
    def stratum(self) -> str:
        """Workloads of one stratum are draws of one law, so that their spread is the error of the draw.

        Empty where it is the only draw of its law.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a program did on one workload.

    Args:
        series: the objective's samples in the order they arose (one a window); J is their mean.
        metrics: the problem's further metrics on this workload, by name.
        stderr: standard error of J where the series does not tell it; the series may then be J alone.
        ceiling: upper bound of J that was found while measuring, beside `Problem.ceiling`.
    """

    series: tuple[float, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    stderr: float | None = None
    ceiling: float = math.inf

    @classmethod
    def of_timing(cls, timing: Timing, metrics: Mapping[str, float]) -> Measured:
        """How a program did on a timed workload: J is log2 of the speed-up over the baseline."""
        gain = timing.gain
        return cls(series=(gain.mean,), metrics=metrics, stderr=gain.stderr, ceiling=timing.ceiling)

    @property
    def objective(self) -> float:
        """The objective J, the mean of the series."""
        return float(np.mean(self.series))


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A behaviour that tells candidates apart: a metric's name and the inner edges of its bins."""

    metric: str
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The fixed facts of a problem.

    Args:
        name: name on the command line.
        family: heading under which it is listed.
        title: one line that says what is improved.
        entry: the function that a candidate defines.
        parameters: its parameters' names, in order; it is called with keywords.
        optional_parameters: those that can be None.
        allowed_imports: top-level modules that a candidate may import.
        objective: what J measures and in which unit.
        metrics: what else is measured.
        descriptors: behaviours by which a search keeps variety.
        baseline: the seed whose J is score 0.
        reference: what score 100 means, in words.
        limits: what one guest process may use.
        preload: modules that a sandbox imports once, before any candidate.
        race_after: how many workloads a candidate is always given before it may be raced out.
        checks: names of the checks that `Problem.play` makes itself, by `Guest.refuse`.
        timed: whether J is log2 of the speed-up over the baseline, measured by `Guest.compare`; the baseline's J is
            then 0 by definition.
        timing: how long a timed comparison goes on; None for what suits most.
        kernel: whether programs are Triton modules, recorded without data and replayed by the judge on a GPU; the
            problem is then an `evaluators.kernels.problem.KernelProblem`.
        shown_by_kind: metrics that a proposer is told for each kind of workload, not only on average.
        template: a program whose text must stay as it is outside the regions that it marks; see `evaluators.region`.
        best_known: the best result that is known, by whom and on what, such as ``"20.8, hand-written, hidden split"``.
        cost: seconds of one evaluation on one core and of one on hidden workloads, measured, in words.
        claim: what a score is that a task's own evaluator reports and no judge of ours has checked, in words; 0 points
            then are its 0, whatever the baseline does. Empty where our judge measures.
    """

    name: str
    family: str
    title: str
    entry: str
    parameters: tuple[str, ...]
    optional_parameters: frozenset[str]
    allowed_imports: frozenset[str]
    objective: Metric
    metrics: tuple[Metric, ...]
    descriptors: tuple[Descriptor, ...]
    baseline: str
    reference: str
    limits: Limits
    preload: tuple[str, ...]
    race_after: int
    checks: tuple[str, ...] = ()
    timed: bool = False
    timing: Plan | None = None
    kernel: bool = False
    shown_by_kind: tuple[str, ...] = ()
    template: str | None = None
    best_known: str = ""
    cost: str = ""
    claim: str = ""

    def __post_init__(self) -> None:
        """Refuse a template that marks no region, or whose markers do not pair up."""
        if self.template is None:
            return
        try:
            if len(frozen_parts(self.template)) < 2:
                raise RegionError("it marks no region with EVOLVE-BLOCK-START and EVOLVE-BLOCK-END")
        except RegionError as error:
            raise ProblemError(f"problem {self.name}: bad template: {error}; mend its markers") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A change of workload and replies together that must leave the objective as it was (a metamorphic relation).

    Args:
        name: what is changed, such as ``"relabel experts"``.
        change: gives the changed workload, and the function that changes one call's reply to fit.
    """

    name: str
    change: Callable[[Any, np.random.Generator], tuple[Any, Callable[[Array], Array]]]


class Problem(Protocol):
    """The trusted side of one problem: workloads, how a program meets one, reference and proven bound."""

    @property
    def declaration(self) -> Declaration:
        """The fixed facts."""

    @property
    def statement(self) -> str:
        """What a proposer is told."""

    @property
    def seeds(self) -> tuple[Seed, ...]:
        """Starting programs, the baseline among them."""

    @property
    def digest(self) -> str:
        """Digest of everything that defines the workload set except a run's secret."""

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Metamorphic relations that the measure must satisfy; an audit tries them."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[Workload]:
        """Draw a block of workloads, the cheapest first; a function of its arguments alone."""

    def play(self, workload: Any, guest: Guest) -> Measured:
        """Let a program meet a workload and measure it, checking every reply.

        Raises:
            RefusedError: a reply is illegal, late or missing.
        """

    def reference_objective(self, workload: Any, open_seed: Callable[[str], Guest]) -> float:
        """J of the reference (score 100); ``open_seed`` starts an unmodified seed in a sandbox."""

    def ceiling(self, workload: Any) -> float:
        """A proven upper bound of J on this workload; infinite where only the machine can tell (see `Measured`)."""


def seed_named(problem: Problem, name: str) -> Seed:
    """The seed of that name.

    Raises:
        ProblemError: the problem has no such seed.
    """
    for seed in problem.seeds:
        if seed.name == name:
            return seed
    names = ", ".join(seed.name for seed in problem.seeds)
    raise ProblemError(f"problem {problem.declaration.name} has no seed {name!r}; it has {names}")
