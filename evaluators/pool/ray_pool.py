"""A pool of Ray actors: a judge for each processor, or for kernels one for each GPU with recorders beside them."""

from __future__ import annotations

import tempfile
import time
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from evaluators.block import SMOKE_BLOCK
from evaluators.host import usable_cpus
from evaluators.model import Split
from evaluators.pool.starting import root_cause, start_ray
from evaluators.pool.workers import JudgeWorker, PreparingWorker
from evaluators.registry import load_problem
from evaluators.serial import KEPT_BLOCKS
from evaluators.tasks import Finished, PoolError, Task, WorkerSpec, slots_of

START_SECONDS = 180

LOOK_SECONDS = 0.5
"""How often to look whether a worker that died is there again."""

BUSY_SECONDS = 5.0
"""A worker that says nothing for so long is there and has something to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Preparing:
    """A program in the hands of a recorder.

    Args:
        task: whose it is.
        index: which recorder.
        prepared: reference to what comes of it.
    """

    task: Task
    index: int
    prepared: Any


class RayPool:
    """Judges several programs at a time in Ray actors on this machine.

    Kernels on GPUs go through two hands: a worker on a processor screens and records a program, a worker that owns a
    GPU replays it. Everything else is judged by one worker from beginning to end.

    Args:
        spec: how each worker builds its judge.
        workers: how many judges on processors; for kernels on GPUs, how many recorders.

    Raises:
        PoolError: Ray or its workers do not start, or a timed problem has not a processor for each worker.
    """

    def __init__(self, spec: WorkerSpec, *, workers: int) -> None:
        cpus, gpus = usable_cpus(), spec.gpus
        if not gpus:
            _check_cpus(spec, workers, len(cpus))
        self._home = tempfile.TemporaryDirectory(prefix="evolve-ray-")
        self._preparing: dict[Any, _Preparing] = {}
        self._running: dict[Any, tuple[Task, int, Any]] = {}
        self._failed: deque[Finished] = deque()
        self._blocks: OrderedDict[tuple[Split, int], Any] = OrderedDict()
        start_ray(workers + gpus, gpus, Path(self._home.name))
        try:
            self._start(spec, workers, gpus, cpus)
        except Exception as error:
            self.close()
            raise PoolError(
                f"the Ray workers do not start: {root_cause(error)}\nhint: try --pool serial, or evolve doctor"
            ) from error

    def _start(self, spec: WorkerSpec, workers: int, gpus: int, cpus: list[int]) -> None:
        def actor(kind: type, number: int, *arguments: object, gpu: int = 0) -> Any:
            remote = ray.remote(num_cpus=1, num_gpus=gpu, max_restarts=-1, max_task_retries=0)(kind)
            return remote.options(name=None).remote(spec, cpus[number % len(cpus)], *arguments)

        judges = gpus or workers
        self._judges = [actor(JudgeWorker, number, gpu=1 if gpus else 0) for number in range(judges)]
        self._preparers = []
        if gpus:
            target = ray.get(self._judges[0].target.remote(), timeout=START_SECONDS)
            self._preparers = [actor(PreparingWorker, gpus + number, target) for number in range(workers)]
        self._load = [0] * judges
        self._preparing_load = [0] * len(self._preparers)
        pids = [worker.pid.remote() for worker in (*self._judges, *self._preparers)]
        self._pids: list[int] = ray.get(pids, timeout=START_SECONDS)

    @property
    def slots(self) -> int:
        """How many programs are under way at the same time."""
        return slots_of(len(self._preparers), len(self._judges)) if self._preparers else len(self._judges)

    def worker_pids(self) -> list[int]:
        """Process ids that the workers had when the pool started."""
        return list(self._pids)

    def submit(self, task: Task) -> None:
        """Queue a task; the first of a new block waits until its workloads are drawn, while it is being recorded."""
        if not self._preparers:
            self._judge(task)
            return
        index = _idlest(self._preparing_load)
        prepared, made = self._preparers[index].prepare.options(num_returns=2).remote(task)
        self._preparing[made] = _Preparing(task=task, index=index, prepared=prepared)
        # The block is marked meanwhile; if that fails now, it is asked for again, and told, once the task is recorded.
        with suppress(ray.exceptions.RayError):
            self._block(task.split, task.block)

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        """See `evaluators.tasks.EvaluationPool`."""
        deadline = time.monotonic() + timeout_seconds
        while not self._failed:
            under_way = [*self._running, *self._preparing]
            if not under_way:
                return None
            done, _ = ray.wait(under_way, num_returns=1, timeout=max(0.0, deadline - time.monotonic()))
            if not done:
                return None
            if done[0] in self._running:
                return self._finished(done[0])
            self._pass_on(done[0])
        return self._failed.popleft()

    def close(self) -> None:
        """See `evaluators.tasks.EvaluationPool`."""
        ray.shutdown()
        self._home.cleanup()

    def _pass_on(self, made: Any) -> None:
        """Give a judge what was prepared; a worker that died preparing it has taken no block with it."""
        waiting = self._preparing.pop(made)
        self._preparing_load[waiting.index] -= 1
        try:
            ray.get(made)
        except ray.exceptions.RayError as error:
            _wait_for(self._preparers[waiting.index], error)
            self._failed.append(Finished(key=waiting.task.key, failure=root_cause(error)))
        else:
            self._judge(waiting.task, waiting.prepared)

    def _judge(self, task: Task, prepared: Any = None) -> None:
        try:
            block = self._block(task.split, task.block)
        except ray.exceptions.RayError as error:
            self._failed.append(Finished(key=task.key, failure=root_cause(error)))
            return
        index = _idlest(self._load)
        self._running[self._judges[index].evaluate.remote(task, block, prepared)] = (task, index, block)

    def _finished(self, reference: Any) -> Finished:
        task, index, block = self._running.pop(reference)
        self._load[index] -= 1
        try:
            result = ray.get(reference)
        except ray.exceptions.RayError as error:
            # The block may have died with its worker: mark it anew rather than fail for ever.
            if self._blocks.get((task.split, task.block)) is block:
                del self._blocks[task.split, task.block]
            _wait_for(self._judges[index], error)
            return Finished(key=task.key, failure=root_cause(error))
        if isinstance(result, str):
            return Finished(key=task.key, failure=result)
        return Finished(key=task.key, evaluation=result)

    def _block(self, split: Split, number: int) -> Any:
        """A reference to the block; its workloads are marked by all judges together."""
        key = (split, number)
        if key not in self._blocks:
            # The driver fetches the number alone: only workers have the problem's module and need the workloads.
            workloads, counted = self._judges[0].draw.options(num_returns=2).remote(split, number)
            count = 1 if number == SMOKE_BLOCK else ray.get(counted)
            judges = [self._judges[index % len(self._judges)] for index in range(count)]
            marked = [judge.mark.remote(workloads, at, split, number) for at, judge in enumerate(judges)]
            self._blocks[key] = self._judges[0].assemble.remote(split, number, *marked)
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]


def _wait_for(worker: Any, error: Exception) -> None:
    """Wait until a worker that died is there again: until then it fails all that it is given, at once.

    Args:
        worker: who died, if that is what went wrong.
        error: what went wrong.
    """
    ends = time.monotonic() + START_SECONDS
    while isinstance(error, ray.exceptions.RayActorError) and time.monotonic() < ends:
        try:
            ray.get(worker.pid.remote(), timeout=BUSY_SECONDS)
        except ray.exceptions.GetTimeoutError:
            return
        except ray.exceptions.RayActorError:
            time.sleep(LOOK_SECONDS)
        else:
            return


def _idlest(load: list[int]) -> int:
    """The worker with the least to do, which has one thing more from now on."""
    index = min(range(len(load)), key=load.__getitem__)
    load[index] += 1
    return index


def _check_cpus(spec: WorkerSpec, workers: int, cpus: int) -> None:
    if workers > cpus and load_problem(spec.problem, spec.workload).declaration.timed:
        raise PoolError(
            f"{workers} workers for problem {spec.problem}, which is timed, but only {cpus} usable processors: two on "
            f"one would slow each other down\nhint: use --workers {cpus} or fewer, or --pool serial"
        )
