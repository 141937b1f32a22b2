from __future__ import annotations

import pytest

from evaluators.workloads.choice import GENERATED, OWN, TRACED, default_workload, no_such_workload


@pytest.mark.parametrize("name", ["topk_gating", "./my_problem", ""])
def test_problems_without_traces_are_generated_and_the_others_are_measured_on_our_own(name: str) -> None:
    assert default_workload(name) == GENERATED
    assert {default_workload(traced) for traced in TRACED} == {OWN}


def test_a_misspelt_name_is_recognised_and_another_is_not() -> None:
    assert "did you mean 'own'" in no_such_workload("onw")
    assert "did you mean" not in no_such_workload("trace.npz")
    assert "'generated', 'own', or the path" in no_such_workload("trace.npz")
