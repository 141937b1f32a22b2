"""The worker's end of a GPU judge process: starts it, asks it, kills it when it hangs, replaces it when it is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, cast

from evaluators.kernels.floor import GpuFacts
from evaluators.kernels.gpu.protocol import (
    ALL_LAUNCHES,
    Broken,
    Column,
    Done,
    Job,
    Measurement,
    Order,
    Ready,
    Refused,
    Reply,
    Request,
    Turn,
)
from evaluators.kernels.gpu.sanitizer import Sanitized, sanitized
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import RefusedError

__all__ = ["Column", "Gpu", "LostError", "Measurement", "Request"]

START_SECONDS = 300.0
"""Torch, CUDA and the problem have to be up by then; some seconds as a rule."""

END_SECONDS = 60.0
"""A killed process has to be gone by then; the driver must stop its kernels first."""

TAIL_BYTES = 2000
SERVICE = "evaluators.kernels.gpu.service"
ONCE = "evaluators.kernels.gpu.once"


class LostError(EvaluatorError):
    """The GPU judge process ended without a word.

    Args:
        reason: what it printed last.
        candidate: whether it was the candidate's turn.
    """

    def __init__(self, reason: str, *, candidate: bool) -> None:
        super().__init__(reason)
        self.candidate = candidate


class _Process:
    """One GPU judge process.

    Args:
        service: module that it runs.
        problem: name or path of the problem.
        workload: see `evaluators.registry.load_problem`.
        index: which of the visible GPUs.
    """

    def __init__(self, service: str, problem: str, workload: str, index: int) -> None:
        self._candidates_turn = False
        self._turned = time.monotonic()
        self._candidates_seconds = 0.0
        ours, theirs = Pipe()
        self._connection: Connection = ours
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        command = [sys.executable, "-m", service, str(theirs.fileno()), str(os.getpid()), str(index), problem, workload]
        paths = os.pathsep.join(path for path in sys.path if path)
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": paths},
            )
        finally:
            theirs.close()
        try:
            ready = self.receive(START_SECONDS)
            if not isinstance(ready, Ready):
                raise EvaluatorError(f"the GPU judge process does not start: {ready}\n{self.tail()}")
        except BaseException:
            self.end()
            raise
        self.facts = ready.facts

    def receive(self, timeout_seconds: float) -> Reply | None:
        """The next message but for turns, which are noted; None when none came in time.

        Raises:
            LostError: the process is gone.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            while self._connection.poll(max(0.0, deadline - time.monotonic())):
                message = cast(Reply, self._connection.recv())
                if not isinstance(message, Turn):
                    return message
                self._turn(candidate=message.candidate)
        except (EOFError, OSError) as error:
            raise LostError(
                f"the GPU judge process ended without a word; it printed:\n{self.tail()}",
                candidate=self._candidates_turn,
            ) from error
        return None

    def _turn(self, *, candidate: bool) -> None:
        now = time.monotonic()
        if self._candidates_turn:
            self._candidates_seconds += now - self._turned
        self._candidates_turn, self._turned = candidate, now

    def is_candidates_fault(self, timeout_seconds: float) -> bool:
        """Whether the candidate took half of the time for the last order: then it is not ours that there was none left.

        Args:
            timeout_seconds: that time.
        """
        self._turn(candidate=self._candidates_turn)
        return self._candidates_seconds > timeout_seconds / 2

    def send(self, order: Order) -> None:
        """Send an order.

        Raises:
            LostError: the process is gone.
        """
        self._turn(candidate=False)
        self._candidates_seconds = 0.0
        try:
            self._connection.send(order)
        except OSError as error:
            raise LostError(f"the GPU judge process is gone; it printed:\n{self.tail()}", candidate=False) from error

    def tail(self) -> str:
        """The end of what it printed."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - TAIL_BYTES))
        return self._log.read().decode(errors="replace")

    def end(self) -> None:
        """Kill it and wait until it is gone.

        Raises:
            EvaluatorError: it cannot be killed.
        """
        self._connection.close()
        self._process.kill()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EvaluatorError(
                f"the GPU judge process {self._process.pid} does not end within {END_SECONDS:.0f} s; its GPU may "
                "need a reset"
            ) from error
        finally:
            self._log.close()


class Gpu:
    """A GPU as a worker sees it. One thread may use it at a time.

    Args:
        problem: name or path of the kernel problem.
        workload: see `evaluators.registry.load_problem`.
        index: which of the visible GPUs.
        service: module of the process; only tests have another.
        once: module of a process that obeys one order; likewise.
    """

    def __init__(
        self, problem: str, workload: str, *, index: int = 0, service: str = SERVICE, once: str = ONCE
    ) -> None:
        self._start = (service, problem, workload, index)
        self._once = [sys.executable, "-m", once, str(os.getpid()), str(index), problem, workload]
        self._process: _Process | None = None
        self._facts: GpuFacts | None = None

    @property
    def facts(self) -> GpuFacts:
        """Of the GPU; starts the process if need be.

        Raises:
            EvaluatorError: it does not start.
        """
        if self._facts is None:
            self._facts = self._running().facts
        return self._facts

    def measure(self, request: Request, timeout_seconds: float) -> Measurement:
        """Check and time a candidate.

        Where the process ends while it is the candidate's turn, whose fault that is is found out: if the baseline is
        measured in a new one, and the candidate ends a third, then it is the candidate's.

        Args:
            request: what to measure.
            timeout_seconds: for all of it; the start of a process comes on top.

        Raises:
            RefusedError: the candidate is wrong, fails on the device, or takes too long.
            EvaluatorError: the judge or the baseline fails.
        """
        return cast(Measurement, self._blamed(Order(job=Job.MEASURE, request=request), timeout_seconds))

    def _blamed(self, order: Order, timeout_seconds: float) -> object:
        """Ask, and find out whose fault it is where the process ends in the candidate's turn; see `measure`."""
        request = order.request
        try:
            return self._ask(order, timeout_seconds)
        except LostError as lost:
            if not lost.candidate or request.candidate == request.baseline:
                raise
        name = request.workload.name
        try:
            self._ask(replace(order, request=replace(request, candidate=request.baseline)), timeout_seconds)
        except RefusedError as error:
            raise EvaluatorError(f"{name}: the GPU judge process ended, and the baseline fails: {error}") from error
        try:
            return self._ask(order, timeout_seconds)
        except LostError as again:
            if not again.candidate:
                raise
            raise RefusedError(
                Outcome.CRASHED,
                f"{name}: it ends the process that owns the GPU, twice, and the baseline between does not",
            ) from again

    def check(self, request: Request, timeout_seconds: float) -> None:
        """Check a candidate on all cases of a workload, without timing it.

        Raises:
            RefusedError: the candidate is wrong, fails on the device, or takes too long.
            EvaluatorError: the judge fails.
        """
        self._blamed(Order(job=Job.CHECK, request=request), timeout_seconds)

    def sanitized(self, request: Request, timeout_seconds: float) -> Sanitized:
        """Run all cases of a workload once in another process under compute-sanitizer.

        Args:
            request: the candidate.
            timeout_seconds: for all of it, the start of the process included.
        """
        return sanitized(self._once, Order(job=Job.RUN, request=_portable(request)), timeout_seconds)

    def is_right_without(self, request: Request, launch: int, timeout_seconds: float) -> bool:
        """Whether the timed call's outputs are right without one launch; a failure of the rest counts as wrong.

        Args:
            request: the candidate.
            launch: its position among the launches of the timed call; `ALL_LAUNCHES` for every one.
            timeout_seconds: for the rest of them.

        Raises:
            EvaluatorError: the judge fails.
        """
        order = Order(job=Job.NEEDED, request=request, options={"launch": launch})
        try:
            return bool(self._ask(order, timeout_seconds))
        except RefusedError:
            return False
        except LostError as lost:
            if not lost.candidate:
                raise
            return False

    def is_decoy(self, request: Request, timeout_seconds: float) -> bool:
        """Whether the timed call's outputs are right without any of its launches, which then only pretend to work.

        Args:
            request: the candidate, which is right.
            timeout_seconds: for what is left of it.
        """
        return self.is_right_without(request, ALL_LAUNCHES, timeout_seconds)

    def needed_launches(self, request: Request, timeout_seconds: float) -> tuple[int, ...]:
        """Positions of the launches of the timed call without which its outputs are no longer right.

        A launch that is not among them does nothing that shows in this call, or another does the same again.

        Args:
            request: the candidate, which is right.
            timeout_seconds: for each launch.

        Raises:
            EvaluatorError: the judge fails.
        """
        count = len(request.candidate.plans[request.workload.timed.call.name].launches)
        return tuple(at for at in range(count) if not self.is_right_without(request, at, timeout_seconds))

    def columns(self, request: Request, names: Sequence[str], timeout_seconds: float) -> Mapping[str, Column]:
        """Measure what a user would compare with against the baseline, each captured in graphs.

        One that fails, hangs, or cannot be captured is reported with the reason.

        Args:
            request: workload, baseline, seed and plan; the candidate plays no part.
            names: of `KernelTask.columns`.
            timeout_seconds: for each.
        """
        found: dict[str, Column] = {}
        for name in names:
            order = Order(job=Job.COLUMN, request=request, options={"name": name})
            try:
                found[name] = cast(Column, self._ask(order, timeout_seconds))
            except (RefusedError, EvaluatorError) as error:
                found[name] = Column(reason=str(error).splitlines()[0])
            if found[name].timing is None:
                self.close()  # What failed halfway may have left a capture or a context behind.
        return found

    def close(self) -> None:
        """End the process; the next request starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _running(self) -> _Process:
        if self._process is None:
            self._process = _Process(*self._start)
        return self._process

    def _ask(self, order: Order, timeout_seconds: float) -> object:
        process = self._running()
        try:
            process.send(replace(order, request=_portable(order.request)))
            reply = process.receive(timeout_seconds)
            is_candidates = process.is_candidates_fault(timeout_seconds)
        except BaseException:
            self.close()
            raise
        if isinstance(reply, Done):
            return reply.value
        if isinstance(reply, Refused):
            if reply.fatal:
                self.close()
            raise RefusedError(reply.outcome, reply.reason, check=reply.check)
        self.close()
        name = order.request.workload.name
        if isinstance(reply, Broken):
            raise EvaluatorError(f"{name}: {reply.reason}")
        if reply is None and is_candidates:
            raise RefusedError(Outcome.TIMEOUT, f"{name}: not done within {timeout_seconds:g} s on the GPU")
        raise EvaluatorError(f"{name}: the GPU judge process hangs with work of its own after {timeout_seconds:g} s")


def _portable(request: Request) -> Request:
    """The request with plain dictionaries, since read-only views of them do not travel."""
    recordings = request.candidate, request.baseline, request.empty
    candidate, baseline, empty = (replace(recording, plans=dict(recording.plans)) for recording in recordings)
    return replace(request, candidate=candidate, baseline=baseline, empty=empty)
