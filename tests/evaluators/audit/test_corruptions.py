from __future__ import annotations

import numpy as np
import pytest

from evaluators.audit.corruptions import corruptions
from evaluators.eplb.measures import plan_form
from evaluators.replies import Expected, fault_of

PLAN = plan_form(layers=3, experts=4, num_slots=6)
HONEST = np.array([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 2, 3], [0, 0, 1, 2, 3, 3]], dtype=np.int32)
REAL = Expected(what="the answer", dtype="float64", shape=(4, 2), low=0.0)


def test_a_plan_can_be_spoilt_in_twenty_ways_at_least() -> None:
    names = [corruption.name for corruption in corruptions(PLAN)]
    assert len(names) == len(set(names)) >= 20
    assert "breaks the rule: every expert has a slot" in names


@pytest.mark.parametrize("corruption", corruptions(PLAN), ids=lambda corruption: corruption.name)
def test_every_way_spoils_a_plan(corruption) -> None:  # type: ignore[no-untyped-def]
    kept = HONEST.copy()
    spoilt = corruption.spoil(HONEST, np.random.default_rng(0))
    assert fault_of(spoilt, PLAN) is not None, spoilt
    assert np.array_equal(HONEST, kept), "the honest reply itself was changed"


@pytest.mark.parametrize("corruption", corruptions(REAL), ids=lambda corruption: corruption.name)
def test_every_way_spoils_real_numbers(corruption) -> None:  # type: ignore[no-untyped-def]
    honest = np.arange(8.0).reshape(4, 2) + 0.5
    assert fault_of(corruption.spoil(honest, np.random.default_rng(0)), REAL)


def test_a_scalar_reply_has_no_rows_to_lose() -> None:
    scalar = Expected(what="the answer", dtype="float64", shape=())
    names = [corruption.name for corruption in corruptions(scalar)]
    assert "first row missing" not in names
    for corruption in corruptions(scalar):
        assert fault_of(corruption.spoil(np.array(1.5), np.random.default_rng(0)), scalar), corruption.name
