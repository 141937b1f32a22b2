from __future__ import annotations

import pytest

from evolve.budget import Budget, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("3m", 180), ("1h30m", 5400), ("0.5m", 30), (" 2H ", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "3x", "m3", "-5s", "0", "0s", "1h 30"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_budget_counts_what_is_in_flight() -> None:
    budget = Budget(evaluations=10, seconds=60.0)
    assert budget.allows_another(evaluations=9, seconds=59.0)
    assert not budget.allows_another(evaluations=10, seconds=0.0)
    assert not budget.allows_another(evaluations=0, seconds=60.0)
    assert Budget().allows_another(evaluations=10**9, seconds=1e9)
