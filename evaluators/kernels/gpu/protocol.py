"""What a worker and its GPU judge process say to each other; both ends are trusted, the messages are pickled values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from evaluators.kernels.floor import GpuFacts
from evaluators.kernels.plan import Recording
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Outcome
from evaluators.timing import CEILING_ERRORS, Plan, Timing

GUARDS, INPUTS, WRITTEN, CLOCK = "guards", "inputs", "written", "clock"
CHECKS = (GUARDS, INPUTS, WRITTEN, CLOCK)
"""Checks of the replay itself, before the task's own: nothing written outside of the buffers, no argument changed,
every item of the outputs written, events and wall clock agree. An audit may switch each off by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One workload to be measured.

    Args:
        workload: its cases.
        candidate: the recorded candidate.
        baseline: what it is timed against.
        empty: a recording of one launch of an empty kernel.
        seed: seeds draws, poisons, order and samples; from the run's secret.
        plan: how long the timing goes on.
        off: names of checks to leave out; only audits leave any out.
    """

    workload: KernelWorkload
    candidate: Recording
    baseline: Recording
    empty: Recording
    seed: bytes
    plan: Plan
    off: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What came of a right program on one workload.

    Args:
        timing: against the baseline, in one breath; its channel is the empty graph.
        floor_seconds: no program is faster, see `evaluators.kernels.floor`.
        empty_seconds: a graph of one empty kernel.
        roofline_seconds: the least work by the device's peaks.
        bandwidth: bytes/s achieved, of the least traffic.
        flops: FLOP/s achieved, of the least operations.
        registers: of a thread of the hungriest kernel that the timed call launches.
        local_bytes: of a thread, likewise.
        shared_bytes: of a block, likewise.
        launches: in the timed call.
        samples_checked: how many timed calls' outputs were checked in full.
        sm_clock_mhz: after the timing; 0 where NVML does not tell.
        memory_clock_mhz: likewise.
        notes: what else is to be said.
    """

    timing: Timing
    floor_seconds: float
    empty_seconds: float
    roofline_seconds: float
    bandwidth: float
    flops: float
    registers: int
    local_bytes: int
    shared_bytes: int
    launches: int
    samples_checked: int
    sm_clock_mhz: int = 0
    memory_clock_mhz: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ceiling(self) -> float:
        """log2(baseline / floor), widened by as much as noise can lift a program that is at the floor."""
        return math.log2(self.timing.baseline_seconds / self.floor_seconds) + CEILING_ERRORS * self.timing.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a user would compare with, measured.

    Args:
        timing: against the baseline; None where it could not be timed.
        reason: why it was not timed; empty if it was.
        fault: what is wrong with its outputs, which is told and not held against it; empty if nothing is.
    """

    timing: Timing | None = None
    reason: str = ""
    fault: str = ""


ALL_LAUNCHES = -1
"""Stands for every launch where one is to be left out."""


class Job(StrEnum):
    """What a process can be asked: to check and time, to check alone, to check without a launch, to time a library's
    function, or to run every case once, for a tool that watches."""

    MEASURE = "measure"
    CHECK = "check"
    NEEDED = "needed"
    COLUMN = "column"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request on its way to the process.

    Args:
        job: what to do with it.
        request: the request.
        options: what else the job needs to know, as keywords: ``launch`` (`Job.NEEDED`; `ALL_LAUNCHES` for every one),
            ``name`` (`Job.COLUMN`).
    """

    job: Job
    request: Request
    options: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process is up."""

    facts: GpuFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose work runs from now on: should the process hang, it is theirs."""

    candidate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The answer to an order."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The candidate failed.

    Args:
        outcome: what it is recorded as.
        reason: why, in one line.
        check: which check it failed, empty where none.
        fatal: whether the process ends with it, because its context is lost.
    """

    outcome: Outcome
    reason: str
    check: str
    fatal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The judge, the task or the baseline failed; the process ends."""

    reason: str


Reply = Ready | Turn | Done | Refused | Broken
