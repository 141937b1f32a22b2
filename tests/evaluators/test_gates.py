"""The limit on the time of calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Outcome

GATE = TimeGate(calls=10, counted=8, seconds=0.1, doing="planning", unit="window")
PATIENT = TimeGate(calls=10, counted=5, seconds=0.1, patience=3.0, doing="routing", unit="request")


class Told:
    """A guest that goes on when it is refused, as in an audit that has switched the check off."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def call(self, *_: Any) -> Any:
        raise AssertionError("a gate calls nothing")

    compare = call

    def refuse(self, check: str, outcome: Outcome, reason: str) -> None:
        assert check == TIME_GATE
        assert outcome is Outcome.TIMEOUT
        self.reasons.append(reason)


def reason(gate: TimeGate, taken: Sequence[float]) -> str:
    guest = Told()
    gate.check(taken, guest)
    assert len(guest.reasons) <= 1
    return "".join(guest.reasons)


@pytest.mark.parametrize("taken", [[], [0.1] * 10, [5.0, 5.0], [5.0, 5.0, *[0.1] * 8]])
def test_the_slowest_calls_do_not_count(taken: list[float]) -> None:
    assert reason(GATE, taken) == ""


def test_the_mean_of_the_others_must_keep_the_gate() -> None:
    assert reason(GATE, [0.11] * 10) == "planning takes 110 ms per window, the gate is 100 ms"


def test_calls_to_come_are_taken_to_be_quick() -> None:
    assert reason(GATE, [0.2] * 5) == ""
    assert reason(GATE, [0.3] * 5).startswith("planning takes 300 ms")


def test_patience_bounds_all_calls_together() -> None:
    assert reason(PATIENT, [0.0] * 5 + [0.9] * 5) == ""
    assert reason(PATIENT, [0.0] * 5 + [1.1] * 5) == (
        "routing takes 550 ms per request, the gate is 100 ms for the quickest 5 of 10 calls, and 3 times that for all"
    )
