"""What 100 points mean on a shape, where the decent seed is far above the floor and where it is at it."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.kernels.guest import OVER_FLOOR, KernelGuest
from evaluators.kernels.problem import LEAST_GAP
from evaluators.kernels.task import KernelWorkload
from evaluators.model import Split
from evaluators.problem import Measured
from evaluators.registry import load_problem

pytest.importorskip("torch")


class Timed(KernelGuest):
    """A module whose distance from the floor is given."""

    def __init__(self, over: float) -> None:
        super().__init__()
        self._over = over

    def measure(self, workload: KernelWorkload) -> Measured:
        return Measured(series=(0.0,), metrics={OVER_FLOOR: self._over}, stderr=0.01)


@pytest.mark.parametrize(("over", "gap"), [(2.0, 1.0), (1.5, 0.5849625), (1.01, LEAST_GAP), (1.0, LEAST_GAP)])
def test_a_baseline_at_the_floor_costs_nobody_the_block(over: float, gap: float) -> None:
    problem: Any = load_problem("topk_gating")
    workload = problem.workloads(Split.TRAIN, bytes(32))[0]
    assert problem.reference_objective(workload, lambda _: Timed(over)) == pytest.approx(gap)
