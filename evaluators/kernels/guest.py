"""A Triton module as the judge meets it: recorded, then replayed on a GPU, or tried in the interpreter."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluators.guest import CheckedGuest
from evaluators.kernels.forms import Call
from evaluators.kernels.plan import Recording
from evaluators.kernels.task import KernelWorkload
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Arguments, Measured, RefusedError

if TYPE_CHECKING:
    from evaluators.kernels.gpu.client import Measurement

OVER_FLOOR = "over_floor"
"""Name of the metric that says how far a time lies above the floor; there is none where no clock can be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A `RefusedError` as a value, which travels between processes."""

    outcome: Outcome
    reason: str
    check: str

    def error(self) -> RefusedError:
        """The error again."""
        return RefusedError(self.outcome, self.reason, check=self.check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What recording a program on all shapes of a block gave."""

    found: Recording | Refusal

    def recording(self) -> Recording:
        """The recording.

        Raises:
            RefusedError: the program was refused.
        """
        if isinstance(self.found, Refusal):
            raise self.found.error()
        return self.found


def prepare(workloads: Sequence[KernelWorkload], record: Callable[[Sequence[Call]], Recording]) -> Prepared:
    """Record a program on all shapes at once, so that what they have in common is compiled once."""
    calls = {call.name: call for workload in workloads for call in workload.calls}
    try:
        return Prepared(found=record(tuple(calls.values())))
    except RefusedError as error:
        return Prepared(found=Refusal(outcome=error.outcome, reason=error.reason, check=error.check))


class KernelGuest(CheckedGuest):
    """A candidate module for as long as one workload lasts."""

    is_clocked = True
    """Whether `measure` tells a time."""

    def ask(self, arguments: Arguments, timeout_seconds: float) -> tuple[object, float]:
        """A module is not called with data.

        Raises:
            EvaluatorError: always.
        """
        del arguments, timeout_seconds
        raise EvaluatorError("a Triton module is measured on a whole workload, by KernelGuest.measure")

    @abstractmethod
    def measure(self, workload: KernelWorkload) -> Measured:
        """Check the module on all cases of a workload, and time it on the timed one where there is a clock.

        Raises:
            RefusedError: it is wrong, or fails.
        """


class ReplayedGuest(KernelGuest):
    """A module that is recorded here, or was elsewhere, and replayed on a GPU.

    Args:
        record: gives its recording on a workload.
        replay: gives what the GPU says of a recording.
        off: names of checks that an audit has switched off.
    """

    def __init__(
        self,
        record: Callable[[KernelWorkload], Recording],
        replay: Callable[[KernelWorkload, Recording], Measurement],
        off: frozenset[str],
    ) -> None:
        super().__init__(off)
        self._record = record
        self._replay = replay

    def measure(self, workload: KernelWorkload) -> Measured:
        """See `KernelGuest`; a time below the floor by no more than noise counts as the floor."""
        recording = self._record(workload)
        measured = self._replay(workload, recording)
        timing = measured.timing
        self.timings.append(timing)
        gap = max(timing.seconds, measured.floor_seconds) / measured.floor_seconds
        metrics = resources(recording, workload) | {
            "time_us": 1e6 * timing.seconds,
            OVER_FLOOR: gap,
            "bandwidth": measured.bandwidth / 1e9,
        }
        beyond = timing.gain.mean > measured.ceiling
        at_floor = math.log2(timing.baseline_seconds / measured.floor_seconds)
        gain = timing.gain.mean if beyond else min(timing.gain.mean, at_floor)
        return Measured(series=(gain,), metrics=metrics, stderr=timing.stderr, ceiling=measured.ceiling)


def resources(recording: Recording, workload: KernelWorkload) -> dict[str, float]:
    """What the timed call of a workload uses: launches, and the largest figure of its kernels for each resource."""
    launches = recording.plans[workload.timed.call.name].launches
    kernels = [recording.kernels[launch.kernel] for launch in launches]
    return {
        "launches": float(len(launches)),
        "registers": float(max((kernel.registers for kernel in kernels), default=0)),
        "local_bytes": float(max((kernel.local_bytes for kernel in kernels), default=0)),
        "shared_bytes": float(max((kernel.shared_bytes for kernel in kernels), default=0)),
    }
