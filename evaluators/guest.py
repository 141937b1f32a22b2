"""Between a problem, which speaks arrays, and a sandbox, which speaks bytes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Arguments, Clock, Draws, RefusedError, Reply
from evaluators.replies import Array, Expected, fault_of
from evaluators.timing import Timing
from sandbox import Buffer, Ending, Session, Value

LONE_DRAWS = 4
"""How many draws are played where there is no baseline to compare with."""

OUTCOMES = {
    Ending.RAISED: Outcome.CRASHED,
    Ending.EXITED: Outcome.CRASHED,
    Ending.SIGNALLED: Outcome.CRASHED,
    Ending.TIMEOUT: Outcome.TIMEOUT,
    Ending.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    Ending.VIOLATION: Outcome.CHEATED,
}
"""What an ending of a sandboxed program that gave no reply is recorded as."""


class CheckedGuest(ABC):
    """Holds every reply to its declared form; where the reply comes from is for subclasses to say.

    Args:
        off: names of checks that an audit has switched off.
    """

    def __init__(self, off: frozenset[str] = frozenset()) -> None:
        self._off = off
        self._calls = 0
        self.timings: list[Timing] = []

    @abstractmethod
    def ask(self, arguments: Arguments, timeout_seconds: float) -> tuple[object, float]:
        """Get a reply, unchecked, and the seconds that it took.

        Raises:
            RefusedError: there is none.
        """

    def call(self, arguments: Arguments, timeout_seconds: float, expected: Expected) -> Reply:
        """See `evaluators.problem.Guest`."""
        self._calls += 1
        value, seconds = self.ask(arguments, timeout_seconds)
        fault = fault_of(value, expected, self._off)
        if fault:
            raise RefusedError(Outcome.WRONG, f"call {self._calls}: {fault.reason}", check=fault.check)
        return Reply(value=np.asarray(value), seconds=seconds)

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """See `evaluators.problem.Guest`; an audit's guest has no baseline beside it and gains or loses nothing."""
        return play_alone(self.call, draws, timeout_seconds)

    def refuse(self, check: str, outcome: Outcome, reason: str) -> None:
        """See `evaluators.problem.Guest`."""
        if check not in self._off:
            raise RefusedError(outcome, reason, check=check)


class SandboxGuest(CheckedGuest):
    """A program in a sandbox session, for as long as one workload lasts."""

    def __init__(self, session: Session, clock: Clock, off: frozenset[str] = frozenset()) -> None:
        super().__init__(off)
        self._session = session
        self._clock = clock

    def ask(self, arguments: Arguments, timeout_seconds: float) -> tuple[object, float]:
        """Call the program; the time is the judge's, around request and reply."""
        values = {name: _to_wire(value) for name, value in arguments.items()}
        started = self._clock()
        execution = self._session.call(values, timeout_seconds=timeout_seconds)
        seconds = self._clock() - started
        if execution.ending is not Ending.REPLIED:
            raise RefusedError(OUTCOMES[execution.ending], execution.reason or execution.ending.value)
        return _from_wire(execution.value), seconds

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """See `evaluators.problem.Guest`; there is no baseline here to be timed against.

        Raises:
            EvaluatorError: always.
        """
        del draws, timeout_seconds
        raise EvaluatorError(
            "the problem's play times a program against the baseline (Guest.compare), but the problem is not declared "
            "timed; set Declaration.timed to True, or measure with Guest.call alone"
        )

    def close(self) -> str:
        """End the program and everything it started; returns what it printed, truncated."""
        return self._session.close()


def play_alone(call: Callable[[Arguments, float, Expected], Reply], draws: Draws, timeout_seconds: float) -> Timing:
    """Play `LONE_DRAWS` draws with no baseline beside: every reply is checked, and the ratio is 1 by definition."""
    played = [draws(number) for number in range(LONE_DRAWS)]
    seconds = float(np.median([call(draw.arguments, timeout_seconds, draw.expected).seconds for draw in played]))
    return Timing(
        ratio=1.0,
        low=1.0,
        high=1.0,
        stderr=0.0,
        n=LONE_DRAWS,
        seconds=seconds,
        baseline_seconds=seconds,
        channel_seconds=0.0,
        ceiling=math.inf,
    )


def _to_wire(value: Array | int | float | str | None) -> Value:
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value)
    return Buffer(dtype=array.dtype.str, shape=array.shape, data=array.data.cast("B") if array.size else b"")


def _from_wire(value: Value) -> object:
    if not isinstance(value, Buffer):
        return value
    return np.frombuffer(value.data, dtype=np.dtype(value.dtype)).reshape(value.shape)
