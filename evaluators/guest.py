"""Between a problem, which speaks arrays, and a sandbox, which speaks bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluators.model import Outcome
from evaluators.problem import Array, Clock, RefusedError, Reply
from sandbox import Buffer, Ending, Limits, Sandbox, Session, Value

_OUTCOMES = {
    Ending.RAISED: Outcome.CRASHED,
    Ending.EXITED: Outcome.CRASHED,
    Ending.SIGNALLED: Outcome.CRASHED,
    Ending.TIMEOUT: Outcome.TIMEOUT,
    Ending.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    Ending.VIOLATION: Outcome.CHEATED,
}


class SandboxGuest:
    """A program in a sandbox session, for as long as one workload lasts."""

    def __init__(self, sandbox: Sandbox, source: str, entry: str, limits: Limits, clock: Clock) -> None:
        self._session: Session = sandbox.open(source, entry, limits)
        self._clock = clock

    def call(self, arguments: Mapping[str, Array | int | float | str | None], timeout_seconds: float) -> Reply:
        """See `evaluators.problem.Guest`."""
        values = {name: _to_wire(value) for name, value in arguments.items()}
        started = self._clock()
        execution = self._session.call(values, timeout_seconds=timeout_seconds)
        seconds = self._clock() - started
        if execution.ending is not Ending.REPLIED:
            raise RefusedError(_OUTCOMES[execution.ending], execution.reason or execution.ending.value)
        return Reply(value=_from_wire(execution.value), seconds=seconds)

    def close(self) -> str:
        """End the program and everything it started; returns what it printed, truncated."""
        return self._session.close()


def _to_wire(value: Array | int | float | str | None) -> Value:
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value)
    return Buffer(dtype=array.dtype.str, shape=array.shape, data=array.data.cast("B") if array.size else b"")


def _from_wire(value: Value) -> object:
    if not isinstance(value, Buffer):
        return value
    return np.frombuffer(value.data, dtype=np.dtype(value.dtype)).reshape(value.shape)
