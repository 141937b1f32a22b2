"""A pool of Ray actors, one for each CPU slot, each with a judge and a warm sandbox. The only module that knows Ray."""

from __future__ import annotations

import functools
import logging
import os
import re
import secrets
import tempfile
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from evaluators.block import SMOKE_BLOCK, Block, Standard
from evaluators.host import usable_cpus
from evaluators.judge import Judge
from evaluators.model import Evaluation, EvaluatorError, Split
from evaluators.problem import Workload
from evaluators.registry import load_problem
from evaluators.serial import KEPT_BLOCKS
from evaluators.tasks import Finished, PoolError, Task, WorkerSpec
from sandbox import SandboxError

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$")


class _Worker:
    """Runs in a Ray actor: owns a judge; programs run in its sandbox, never in the actor itself."""

    def __init__(self, spec: WorkerSpec, cpu: int | None) -> None:
        self._judge: Judge = spec.judge(cpu)

    def draw(self, split: Split, number: int) -> tuple[list[Workload], int]:
        """The workloads of a block, for other workers, and how many they are, for the driver."""
        workloads = list(self._judge.draw(split, number))
        return workloads, len(workloads)

    def mark(self, workloads: list[Workload], index: int) -> Standard:
        """Measure baseline, reference and ceiling of one workload."""
        return self._judge.mark(workloads[index])

    def assemble(self, split: Split, number: int, *standards: Standard) -> Block:
        """Put a block together from what several workers marked."""
        return Block(split=split, number=number, standards=standards)

    def evaluate(self, task: Task, block: Block) -> Evaluation | str:
        """Judge one program; a failure of ours comes back as text."""
        try:
            return self._judge.evaluate(task.source, block, rival=task.rival, order=task.order)
        except (EvaluatorError, SandboxError) as error:
            return f"{type(error).__name__}: {error}"

    def pid(self) -> int:
        """This worker's process id, once its sandbox is warm."""
        return os.getpid()


class RayPool:
    """Judges several programs at a time in Ray actors on this machine.

    Args:
        spec: how each worker builds its judge.
        workers: how many actors.

    Raises:
        PoolError: Ray or its workers do not start, or a timed problem has not a processor for each worker.
    """

    def __init__(self, spec: WorkerSpec, *, workers: int) -> None:
        cpus = usable_cpus()
        _check_cpus(spec, workers, len(cpus))
        self._home = tempfile.TemporaryDirectory(prefix="evolve-ray-")
        self._slots = workers
        self._running: dict[Any, tuple[Task, int, Any]] = {}
        self._failed: deque[Finished] = deque()
        self._blocks: OrderedDict[tuple[Split, int], Any] = OrderedDict()
        _start_ray(workers, Path(self._home.name))
        remote = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0)(_Worker)
        self._actors = [remote.options(name=None).remote(spec, cpus[index % len(cpus)]) for index in range(workers)]
        self._load = [0] * workers
        try:
            self._pids: list[int] = ray.get([actor.pid.remote() for actor in self._actors], timeout=120)
        except Exception as error:
            self.close()
            raise PoolError(
                f"the Ray workers do not start: {_root_cause(error)}\nhint: try --pool serial, or evolve doctor"
            ) from error

    @property
    def slots(self) -> int:
        """How many programs are judged at the same time."""
        return self._slots

    def worker_pids(self) -> list[int]:
        """Process ids that the workers had when the pool started."""
        return list(self._pids)

    def submit(self, task: Task) -> None:
        """Queue a task; the first of a new block waits until its workloads are drawn."""
        try:
            block = self._block(task.split, task.block)
        except ray.exceptions.RayError as error:
            self._failed.append(Finished(key=task.key, failure=_root_cause(error)))
            return
        index = min(range(self._slots), key=self._load.__getitem__)
        self._load[index] += 1
        self._running[self._actors[index].evaluate.remote(task, block)] = (task, index, block)

    def next_finished(self, timeout_seconds: float) -> Finished | None:
        """See `evaluators.tasks.EvaluationPool`."""
        if self._failed:
            return self._failed.popleft()
        if not self._running:
            return None
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_seconds)
        if not done:
            return None
        task, index, block = self._running.pop(done[0])
        self._load[index] -= 1
        try:
            result = ray.get(done[0])
        except ray.exceptions.RayError as error:
            # The block may have died with its worker: mark it anew rather than fail for ever.
            if self._blocks.get((task.split, task.block)) is block:
                del self._blocks[task.split, task.block]
            return Finished(key=task.key, failure=_root_cause(error))
        if isinstance(result, str):
            return Finished(key=task.key, failure=result)
        return Finished(key=task.key, evaluation=result)

    def close(self) -> None:
        """See `evaluators.tasks.EvaluationPool`."""
        ray.shutdown()
        self._home.cleanup()

    def _block(self, split: Split, number: int) -> Any:
        """A reference to the block; its workloads are marked by all workers together."""
        key = (split, number)
        if key not in self._blocks:
            # The driver fetches the number alone: only workers have the problem's module and need the workloads.
            workloads, counted = self._actors[0].draw.options(num_returns=2).remote(split, number)
            count = 1 if number == SMOKE_BLOCK else ray.get(counted)
            marked = [self._actors[index % self._slots].mark.remote(workloads, index) for index in range(count)]
            self._blocks[key] = self._actors[0].assemble.remote(split, number, *marked)
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]


def _check_cpus(spec: WorkerSpec, workers: int, cpus: int) -> None:
    if workers > cpus and load_problem(spec.problem, spec.workload).declaration.timed:
        raise PoolError(
            f"{workers} workers for problem {spec.problem}, which is timed, but only {cpus} usable processors: two on "
            f"one would slow each other down\nhint: use --workers {cpus} or fewer, or --pool serial"
        )


def _start_ray(workers: int, home: Path) -> None:
    """Start a quiet Ray of our own: no dashboard, no telemetry, its node on loopback, its token in a private home.

    Some of Ray's own ports still listen on every interface; the token is what keeps others out.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    token = home / "auth_token"
    token.touch(mode=0o600)
    token.write_text(_process_token(), encoding="ascii")
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with _without_secrets():
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                logging_level="ERROR",
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address="127.0.0.1",
            )
    except Exception as error:
        raise PoolError(
            f"Ray does not start: {_root_cause(error)}\nhint: try --pool serial, or evolve doctor"
        ) from error


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Take keys out of the environment while processes are started that inherit it: workers have no use for them."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if _SECRET.search(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


@functools.cache
def _process_token() -> str:
    """The secret that lets processes join our Ray; drawn once, because Ray's core keeps the first it reads."""
    return secrets.token_hex(32)


def _root_cause(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1].strip() if lines else ''}"
