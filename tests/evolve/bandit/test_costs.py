from __future__ import annotations

import pytest

from evolve.bandit.costs import FLOOR, NOMINAL_EVALUATIONS, Limits, cost_share
from evolve.budget import Budget


def test_limits_of_a_budget() -> None:
    budget = Budget(evaluations=50, seconds=60.0, tokens=1000, cost=2.0)
    assert Limits.of(budget, 4) == Limits(evaluations=50, worker_seconds=240.0, tokens=1000, usd=2.0)
    assert Limits.of(Budget(), 4) == Limits()


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (Limits(evaluations=100), 0.01),
        (Limits(evaluations=100, worker_seconds=50.0), 0.06),
        (Limits(evaluations=100, worker_seconds=50.0, tokens=2000), 0.1),
        (Limits(evaluations=100, worker_seconds=50.0, tokens=2000, usd=0.5), 0.4),
        (Limits(usd=20.0), 0.01),
        (Limits(), 1 / NOMINAL_EVALUATIONS),
        (Limits(tokens=0, evaluations=100), 1.0),
    ],
)
def test_the_largest_share_counts(limits: Limits, share: float) -> None:
    assert cost_share(3.0, 200, 0.2, limits=limits) == pytest.approx(share)


def test_what_uses_nothing_that_is_counted_has_a_cost_above_zero() -> None:
    assert cost_share(limits=Limits(evaluations=5), evaluations=0) == FLOOR
    assert cost_share(limits=Limits(), evaluations=0) == FLOOR
    assert cost_share(3.0, limits=Limits(tokens=0)) == FLOOR
