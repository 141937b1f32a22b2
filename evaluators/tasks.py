"""What goes into a pool of workers and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from evaluators.arena import make_arena
from evaluators.host import require_sandbox, uses_gpu, visible_gpus
from evaluators.judge import Judge
from evaluators.model import Evaluation, EvaluatorError, Split
from evaluators.problem import Clock, Problem
from evaluators.registry import load_problem


class PoolError(RuntimeError):
    """A pool cannot start or go on; the message says what and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """All that a worker needs to build its judge, in plain values that travel.

    Args:
        problem: name or path of the problem.
        workload: which workloads it is measured on.
        secret: the run's secret.
        clock: ``"real"``, or ``"counting"`` for reproductions.
        require_sandbox: the weakest sandbox that programs may run in.
        device: what kernels run on: ``auto``, ``cpu`` or ``cuda``; for kernels alone.
        gpus: how many GPUs judge, see `gpus_for`.
    """

    problem: str
    workload: str
    secret: bytes = field(repr=False)
    clock: str = "real"
    require_sandbox: str = "none"
    device: str = "auto"
    gpus: int = 0

    def judge(self, cpu: int | None = None) -> Judge:
        """Build a judge on this machine.

        Raises:
            EvaluatorError: the sandbox here is weaker than required.
        """
        problem = load_problem(self.problem, self.workload)
        arena = partial(make_arena, device=self.device)
        judge = Judge(problem, secret=self.secret, clock=make_clock(self.clock), cpu=cpu, arena=arena)
        try:
            require_sandbox(judge.layers, self.require_sandbox)
        except EvaluatorError:
            judge.close()
            raise
        return judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One evaluation to be done.

    Args:
        key: the caller's own number for it, handed back with the result.
        source: the program.
        split: where its workloads come from.
        block: which block of that split.
        rival: shares on the same block that it must not fall behind, in the block's order, or None.
        order: positions of the block's workloads in the order in which to play them; None for the block's order.
    """

    key: int
    source: str
    split: Split
    block: int
    rival: tuple[float, ...] | None = None
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task that came back: with its evaluation, or with a failure of ours that is worth another try."""

    key: int
    evaluation: Evaluation | None = None
    failure: str = ""


class EvaluationPool(Protocol):
    """Judges programs, several at a time where it can."""

    @property
    def slots(self) -> int:
        """How many programs are judged at the same time."""

    def submit(self, task: Task) -> None:
        """Queue a task; returns at once."""

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        """The next task that came back, in any order; None when none did in time or none is under way."""

    def close(self) -> None:
        """End all workers and everything they started; unfinished tasks are dropped."""


def gpus_for(problem: Problem, device: str) -> int:
    """How many GPUs judge a problem: all that are visible, for kernels; else none.

    Raises:
        ProblemError: the device that is asked for is not there.
    """
    return visible_gpus() if problem.declaration.kernel and uses_gpu(device) else 0


QUEUED_FOR_GPU = 2
"""How many programs a GPU has at hand, the one under way included, so that it never waits for the driver."""


def slots_of(workers: int, gpus: int) -> int:
    """How many programs a pool of so many workers has under way; with GPUs the workers record for them."""
    return workers + QUEUED_FOR_GPU * gpus


class LazyPool:
    """Starts another pool when the first task comes.

    Args:
        start: makes that pool.
        slots: how many programs it will judge at the same time.
    """

    def __init__(self, start: Callable[[], EvaluationPool], slots: int) -> None:
        self._start = start
        self._slots = slots
        self._pool: EvaluationPool | None = None

    @property
    def slots(self) -> int:
        """See `EvaluationPool`."""
        return self._slots

    def submit(self, task: Task) -> None:
        """See `EvaluationPool`; the first one takes as long as the start does."""
        if self._pool is None:
            self._pool = self._start()
        self._pool.submit(task)

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        """See `EvaluationPool`."""
        return self._pool.next_finished(timeout_seconds) if self._pool else None

    def close(self) -> None:
        """See `EvaluationPool`."""
        if self._pool is not None:
            self._pool.close()


class CountingClock:
    """A clock that advances by one microsecond whenever it is read: times become a function of the calls."""

    def __init__(self) -> None:
        self._ticks = 0

    def __call__(self) -> float:
        """Read and advance."""
        self._ticks += 1
        return self._ticks * 1e-6


CLOCKS: dict[str, Callable[[], Clock]] = {"real": lambda: time.perf_counter, "counting": CountingClock}


def make_clock(name: str) -> Clock:
    """The clock of that name.

    Raises:
        PoolError: unknown name.
    """
    if name not in CLOCKS:
        raise PoolError(f"unknown clock {name!r}\nhint: use one of {', '.join(CLOCKS)}")
    return CLOCKS[name]()
