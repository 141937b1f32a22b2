"""A pool that judges in this process, one program at a time: no Ray, fully reproducible."""

from __future__ import annotations

from collections import OrderedDict, deque

from evaluators.block import SMOKE_BLOCK, Block
from evaluators.model import EvaluatorError, Split
from evaluators.tasks import Finished, Task, WorkerSpec
from sandbox import SandboxError

KEPT_BLOCKS = 4


class SerialPool:
    """Judges one program at a time; work is done inside `next_finished`.

    Args:
        spec: how to build the judge.
        cpu: pin programs to this CPU.
    """

    def __init__(self, spec: WorkerSpec, *, cpu: int | None = None) -> None:
        self._judge = spec.judge(cpu)
        self._queue: deque[Task] = deque()
        self._blocks: OrderedDict[tuple[Split, int], Block] = OrderedDict()

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def submit(self, task: Task) -> None:
        """See `evaluators.tasks.EvaluationPool`."""
        self._queue.append(task)

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        """Judge the next task now, however long that takes; a timeout bounds waiting, of which there is none."""
        del timeout_seconds
        if not self._queue:
            return None
        task = self._queue.popleft()
        try:
            block = self._block(task.split, task.block)
            evaluation = self._judge.evaluate(task.source, block, rival=task.rival, order=task.order)
        except (EvaluatorError, SandboxError) as error:
            return Finished(key=task.key, failure=f"{type(error).__name__}: {error}")
        return Finished(key=task.key, evaluation=evaluation)

    def close(self) -> None:
        """See `evaluators.tasks.EvaluationPool`."""
        self._queue.clear()
        self._judge.close()

    def _block(self, split: Split, number: int) -> Block:
        key = (split, number)
        if key not in self._blocks:
            self._blocks[key] = self._judge.block(split, number, first=1 if number == SMOKE_BLOCK else None)
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]
