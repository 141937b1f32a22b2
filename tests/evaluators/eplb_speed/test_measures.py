from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.audit.corruptions import corruptions
from evaluators.eplb_speed.generated import GPT_OSS_48, V2_LITE_8, V3_32, Kind
from evaluators.eplb_speed.measures import BALANCED, EVERY_EXPERT, ONE_NODE, TOLERANCE, mean_balance, plan_form
from evaluators.eplb_speed.planner import deepseek_plan
from evaluators.eplb_speed.shapes import Shape
from evaluators.eplb_speed.tasks import GeneratedLoads
from evaluators.replies import fault_of

SMALL = Shape(layers=1, experts=4, top_k=1, num_slots=8, num_groups=2, num_nodes=2, num_gpus=4)
LOAD = np.array([[30, 10, 20, 20]], dtype=np.float32)
# DeepSeek: node 0 holds group 0, node 1 group 1; expert 0 gets both spare slots of its node (30, then 15 against 10).
HERE, THERE = [0, 0, 0, 1], [2, 3, 2, 3]


def plan_of(*slots: int) -> np.ndarray:
    return np.array([slots], dtype=np.int32)


def test_worked_example() -> None:
    """Copies of 10, 10, 10 and 10 on one node, of 10, 10, 10 and 10 on the other: every GPU carries 20."""
    assert mean_balance(plan_of(*HERE, *THERE), LOAD, SMALL) == pytest.approx(1.0)
    assert mean_balance(deepseek_plan(LOAD, SMALL), LOAD, SMALL) == pytest.approx(1.0)
    assert mean_balance(plan_of(0, 1, 1, 1, *THERE), LOAD, SMALL) == pytest.approx(20 / (30 + 10 / 3))


@pytest.mark.parametrize(
    ("slots", "check", "words"),
    [
        ([*HERE, 2, 2, 2, 2], EVERY_EXPERT, "expert 3 has no slot in layer 0"),
        ([0, 0, 0, 2, 2, 3, 1, 3], ONE_NODE, "the experts of group 0 sit on 2 nodes in layer 0"),
        ([0, 1, 1, 1, *THERE], BALANCED, "a balance of 0.6000, more than 0.2 % short of DeepSeek's 1.0000"),
    ],
)
def test_what_a_plan_must_be(slots: list[int], check: str, words: str) -> None:
    fault = fault_of(plan_of(*slots), plan_form(LOAD, SMALL))
    assert fault is not None
    assert fault.check == check
    assert words in fault.reason


def test_groups_may_lie_anywhere_where_they_do_not_divide() -> None:
    form = plan_form(LOAD, replace(SMALL, num_groups=1))
    assert ONE_NODE not in form.checks
    assert fault_of(plan_of(0, 0, 0, 2, 2, 3, 1, 3), form) is None


def test_the_bar_is_two_thousandths_below_deepseeks_balance() -> None:
    shape = Shape(layers=1, experts=4, top_k=1, num_slots=4, num_nodes=1, num_gpus=2)
    for light, accepted in ((1000 * (1 - 1.5 * TOLERANCE), True), (1000 * (1 - 4.5 * TOLERANCE), False)):
        # DeepSeek pairs heavy with light; the plan below pairs the heavy ones: 2 against 1 + light / 1000 at most.
        load = np.array([[1000, 1000, light, light]], dtype=np.float32)
        assert mean_balance(deepseek_plan(load, shape), load, shape) == pytest.approx(1.0)
        assert (fault_of(plan_of(0, 1, 2, 3), plan_form(load, shape)) is None) == accepted


@pytest.mark.parametrize("shape", [V2_LITE_8, V3_32, GPT_OSS_48], ids=lambda shape: shape.label)
def test_a_spoilt_plan_breaks_one_rule_and_every_corruption_is_refused(shape: Shape) -> None:
    load = GeneratedLoads(law=Kind(shape=shape).generator, seed=bytes(32))(0)
    honest, form = deepseek_plan(load, shape), plan_form(load, shape)
    assert fault_of(honest, form) is None
    assert (ONE_NODE in form.checks) == (shape is V3_32)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for rule in form.rules:
            spoilt = rule.spoil(honest.copy(), rng)
            with np.errstate(divide="ignore"):
                assert fault_of(spoilt, form, frozenset({rule.name})) is None, rule.name
            fault = fault_of(spoilt, form)
            assert fault is not None
            assert fault.check == rule.name
        for way in corruptions(form):
            assert fault_of(way.spoil(honest.copy(), rng), form) is not None, way.name


def test_zigzag_dealing_falls_short() -> None:
    """Sorted copies dealt out back and forth, as in the evolved planners of arXiv 2510.06189 and in SGLang."""
    shape = replace(V2_LITE_8, num_slots=64)
    load = GeneratedLoads(law=Kind(shape=shape).generator, seed=bytes(32))(0)
    dealt = np.argsort(-load, axis=1, kind="stable").reshape(len(load), -1, shape.num_gpus)
    dealt[:, 1::2] = dealt[:, 1::2, ::-1].copy()
    plan = dealt.transpose(0, 2, 1).reshape(len(load), -1).astype(np.int32)
    fault = fault_of(plan, plan_form(load, shape))
    assert fault is not None
    assert fault.check == BALANCED
