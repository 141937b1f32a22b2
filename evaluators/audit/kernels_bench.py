"""Tries Triton modules without a GPU: recorded and compiled on a large shape too, interpreted on a few small cases."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

from evaluators.host import usable_cpus
from evaluators.kernels.interpreting import TIMEOUT_SECONDS, Interpreter, check_on_cpu, small, to_array
from evaluators.kernels.problem import KernelProblem
from evaluators.kernels.recording import Recorder
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Outcome, Split
from evaluators.problem import RefusedError
from evaluators.seeding import secret_from_seed

LANES = 2
"""How many modules are tried at once, where there are so many processors."""

PATIENCE_SECONDS = 10.0
"""For recording one cheat: an honest module takes half a second, and several cheats never end."""

FEW_ROWS = 19
"""Rows of the odd case: a hundred modules are tried."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One recorder and one interpreter.

    Args:
        problem: what modules are for.
        workload: what they are tried on.
        recorder: compiles.
        interpreter: runs.
    """

    problem: KernelProblem
    workload: KernelWorkload
    recorder: Recorder
    interpreter: Interpreter

    def trial(self, source: str, recording_seconds: float = PATIENCE_SECONDS) -> tuple[Outcome, str]:
        """How a module ends without the static screen: `CORRECT` for one that is right."""
        entry = self.problem.declaration.entry
        try:
            self.recorder.record(source, entry, self.workload.calls, timeout_seconds=recording_seconds)
            check_on_cpu(self.problem.task, self.workload, self.interpreter, source, entry)
        except RefusedError as refused:
            return refused.outcome, refused.reason
        return Outcome.CORRECT, ""

    def outputs(self, source: str) -> list[bytes]:
        """The bytes of everything that a module returns on all cases, one after the other.

        Raises:
            RefusedError: it does not answer.
        """
        task, entry = self.problem.task, self.problem.declaration.entry
        found = []
        for whole in (*self.workload.checked, self.workload.timed):
            case = small(task, whole)
            arrays = {name: to_array(tensor) for name, tensor in task.contents(case, 0, "cpu").items()}
            answer = self.interpreter.run(source, entry, case.call, arrays, TIMEOUT_SECONDS)
            found += [array.tobytes() for array in answer]
        return found


class Bench:
    """Lanes that try modules at the same time. Close it, or use it in a ``with`` statement.

    Args:
        problem: what modules are for.
        seed: seed of the workload.
    """

    def __init__(self, problem: KernelProblem, seed: int) -> None:
        self.workload = _workload(problem, seed)
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        self._count = min(LANES, len(usable_cpus()))
        with ExitStack() as opening, ThreadPoolExecutor(2 * self._count) as pool:
            recorders = [pool.submit(Recorder) for _ in range(self._count)]
            interpreters = [pool.submit(Interpreter) for _ in range(self._count)]
            begun: list[Future[Recorder] | Future[Interpreter]] = [*recorders, *interpreters]
            for one in begun:
                if one.exception() is None:
                    opening.callback(one.result().close)
            for recorder, interpreter in zip(recorders, interpreters, strict=True):
                self._free.put(
                    Lane(
                        problem=problem,
                        workload=self.workload,
                        recorder=recorder.result(),
                        interpreter=interpreter.result(),
                    )
                )
            self._open = opening.pop_all()

    def each(self, work: Callable[[Lane, T], R], items: Iterable[T]) -> Iterator[R]:
        """Do something with every item on whichever lane is free; results in the order of the items."""

        def one(item: T) -> R:
            lane = self._free.get()
            try:
                return work(lane, item)
            finally:
                self._free.put(lane)

        with ThreadPoolExecutor(self._count) as pool:
            yield from pool.map(one, items)

    def close(self) -> None:
        """End all sandboxes."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _workload(problem: KernelProblem, seed: int) -> KernelWorkload:
    """The cases of a block that tell most: odd, empty and single ones, and its largest shape, cut when interpreted."""
    block = problem.workloads(Split.TRAIN, secret_from_seed(seed, problem.declaration.name))
    cases = (*block[0].checked, *block[1].checked[-1:])
    few = {case.call.name: case for case in (small(problem.task, case, FEW_ROWS) for case in cases)}
    return replace(block[-1], checked=tuple(few.values()))
