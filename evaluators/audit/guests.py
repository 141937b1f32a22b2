"""Guests of an audit: one that notes what an honest program answered, one that answers what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluators.guest import CheckedGuest, play_alone
from evaluators.model import Outcome
from evaluators.problem import Arguments, Draws, Guest, Reply
from evaluators.replies import Array, Expected
from evaluators.timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call of an honest program: what was asked, what form was due, what came and after how many seconds."""

    arguments: Arguments
    expected: Expected
    value: Array
    seconds: float


class RecordingGuest:
    """Passes calls on to another guest and notes every exchange.

    Args:
        guest: the one that answers.
    """

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self.exchanges: list[Exchange] = []

    def call(self, arguments: Arguments, timeout_seconds: float, expected: Expected) -> Reply:
        """See `evaluators.problem.Guest`."""
        reply = self._guest.call(arguments, timeout_seconds, expected)
        kept = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
        self.exchanges.append(
            Exchange(
                arguments=kept,
                expected=expected,
                value=reply.value.copy(),
                seconds=reply.seconds,
            )
        )
        return reply

    def refuse(self, check: str, outcome: Outcome, reason: str) -> None:
        """See `evaluators.problem.Guest`."""
        self._guest.refuse(check, outcome, reason)

    def compare(self, draws: Draws, timeout_seconds: float) -> Timing:
        """See `evaluators.problem.Guest`; a few draws without a baseline are enough to note."""
        return play_alone(self.call, draws, timeout_seconds)


Answer = Callable[[int, Arguments, float], tuple[object, float]]


class AnsweringGuest(CheckedGuest):
    """Answers the n-th call with what a function says; for replies that no honest program would give.

    Args:
        answer: gives value and seconds for the call's number (from 0), its arguments and its timeout.
        off: names of checks that are switched off.
    """

    def __init__(self, answer: Answer, off: frozenset[str] = frozenset()) -> None:
        super().__init__(off)
        self._answer = answer
        self._count = 0

    def ask(self, arguments: Arguments, timeout_seconds: float) -> tuple[object, float]:
        """Answer without any program."""
        self._count += 1
        return self._answer(self._count - 1, arguments, timeout_seconds)
