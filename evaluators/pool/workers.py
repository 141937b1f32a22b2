"""What runs inside Ray's actors: judges, and for kernels recorders that spare the GPUs the wait for a compiler."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from evaluators.block import SMOKE_BLOCK, Block, Standard
from evaluators.judge import Judge
from evaluators.model import Evaluation, EvaluatorError, Split
from evaluators.problem import Workload
from evaluators.registry import load_problem
from evaluators.screen import screen_by
from evaluators.seeding import workload_seed
from evaluators.tasks import Task, WorkerSpec
from sandbox import SandboxError

_T = TypeVar("_T")


class JudgeWorker:
    """Owns a judge; programs run in its sandbox, never in the actor itself.

    Args:
        spec: how to build the judge.
        cpu: the processor that programs are pinned to; None lets them roam.
    """

    def __init__(self, spec: WorkerSpec, cpu: int | None) -> None:
        self._judge: Judge = spec.judge(cpu)

    def draw(self, split: Split, number: int) -> tuple[list[Workload], int]:
        """The workloads of a block, for other workers, and how many they are, for the driver."""
        workloads = list(self._judge.draw(split, number))
        return workloads, len(workloads)

    def mark(self, workloads: list[Workload], index: int, split: Split, number: int) -> Standard:
        """Measure baseline, reference and ceiling of one workload of that block."""
        return self._judge.mark(workloads[index], (split, number))

    def assemble(self, split: Split, number: int, *standards: Standard) -> Block:
        """Put a block together from what several workers marked."""
        return Block(split=split, number=number, standards=standards)

    def evaluate(self, task: Task, block: Block, prepared: object = None) -> Evaluation | str:
        """Judge one program; a failure of ours comes back as text."""
        return _ours_as_text(
            lambda: self._judge.evaluate(
                task.source, block, rival=task.rival, order=task.order, prepared=_whole(prepared)
            )
        )

    def target(self) -> object:
        """The GPU that programs are prepared for."""
        return self._judge.target

    def pid(self) -> int:
        """This worker's process id, once its sandbox is warm."""
        return os.getpid()


class PreparingWorker:
    """Records kernels for a GPU that it does not see.

    It draws a block's calls itself, so that it waits neither for a judge that is busy nor for the block's marks.

    Args:
        spec: which problem, under which secret.
        cpu: the processor to record on.
        target: what the GPU's own worker says of it.
    """

    def __init__(self, spec: WorkerSpec, cpu: int | None, target: object) -> None:
        from evaluators.kernels.arena import Target  # noqa: PLC0415 - only kernels are prepared

        self._problem = load_problem(spec.problem, spec.workload)
        self._secret = spec.secret
        self._recorder = cast(Target, target).recorder(cpu)

    def prepare(self, task: Task) -> tuple[object, None]:
        """Record a program on its block's shapes, for a judge; our own failures come back as text.

        The driver fetches the second alone, to see that there is a first.
        """
        from evaluators.kernels.guest import prepare  # noqa: PLC0415

        facts = self._problem.declaration
        if screen_by(facts, task.source) is not None:
            return None, None  # the judge says so too, and why
        seed = workload_seed(self._secret, task.split, task.block)
        workloads: Any = self._problem.workloads(task.split, seed)[: 1 if task.block == SMOKE_BLOCK else None]
        found = _ours_as_text(
            lambda: prepare(workloads, lambda calls: self._recorder.record(task.source, facts.entry, calls))
        )
        return found, None

    def pid(self) -> int:
        """This worker's process id, once its sandbox is warm."""
        return os.getpid()


def _whole(prepared: object) -> object:
    """What was prepared.

    Raises:
        EvaluatorError: the one who should have prepared it failed.
    """
    if isinstance(prepared, str):
        raise EvaluatorError(prepared)
    return prepared


def _ours_as_text(work: Callable[[], _T]) -> _T | str:
    try:
        return work()
    except (EvaluatorError, SandboxError) as error:
        return f"{type(error).__name__}: {error}"
