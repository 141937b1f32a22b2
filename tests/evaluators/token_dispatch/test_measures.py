from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evaluators.replies import fault_of
from evaluators.token_dispatch.hardware import H100, H200, Costs, Model, costs_of
from evaluators.token_dispatch.measures import Step, foreign, memory_mib, plain_plan, plan_form, step_time

COSTS = Costs(
    token_us=1.0,
    setup_us=10.0,
    near_token_us=0.5,
    far_token_us=4.0,
    near_expert_us=30.0,
    far_expert_us=200.0,
    collective_us=7.0,
    rearrange_us=50.0,
    expert_mib=3.0,
    token_mib=0.5,
    memory_mib=1000.0,
)


def step_of(load: list[list[int]], owner: list[int], num_nodes: int = 1, **costs: float) -> Step:
    return Step(
        load=np.array(load, dtype=np.int32),
        owner=np.array(owner, dtype=np.int32),
        num_nodes=num_nodes,
        costs=dataclasses.replace(COSTS, **costs),
    )


def plan_of(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def test_worked_example_of_a_plain_step() -> None:
    """Expert 0 on GPU 0 has 60 + 20 tokens, expert 1 on GPU 1 has 10 + 10: 20 tokens go to GPU 0, 10 to GPU 1."""
    time = step_time(step := step_of([[60, 20], [10, 10]], [0, 1]), plain_plan(step))
    assert time.compute_us == 80 + 10
    assert time.exchange_us == time.combine_us == 0.5 * 20
    assert time.fixed_us == 2 * 7
    assert time.total_us == 90 + 10 + 10 + 14


def test_worked_example_of_a_moved_expert() -> None:
    """GPU 1 keeps its 20 tokens of expert 0 and gets 10 more, and the weights: 10 tokens and an expert go its way."""
    step = step_of([[60, 20], [10, 10]], [0, 1])
    plan = plan_of([50, 30], [0, 20])
    time = step_time(step, plan)
    assert time.compute_us == 30 + 20 + 2 * 10
    # Into GPU 1: 10 tokens of expert 0, 10 of expert 1, and one expert's weights.
    assert time.exchange_us == 0.5 * 20 + 30
    assert time.combine_us == 0.5 * 20
    assert time.fixed_us == 14 + 50
    assert foreign(step, plan).tolist() == [[False, True], [False, False]]
    assert memory_mib(step, plan).tolist() == [25.0, 25.0 + 3.0]


def test_tokens_are_met_on_their_own_node_first() -> None:
    """Two nodes of two GPUs. 8 tokens wait on GPU 0, 4 on GPU 2; GPU 1 computes 6 and GPU 3 computes 6.

    GPU 1 takes 6 of GPU 0's near; the other 2 travel far to GPU 3, which takes 4 from GPU 2 near.
    """
    step = step_of([[8, 0, 4, 0]], [1], num_nodes=2)
    time = step_time(step, plan_of([0, 6, 0, 6]))
    assert time.combine_us == max(0.5 * 6, 4.0 * 2)
    # Far into GPU 3: 2 tokens and the weights, which GPU 1 sends.
    assert time.exchange_us == 4.0 * 2 + 200
    assert time.compute_us == 6 + 10


def test_an_owner_sends_weights_once_to_each_taker() -> None:
    step = step_of([[40, 0, 0, 0]], [0])
    one, three = (step_time(step, plan).exchange_us for plan in (plan_of([20, 20, 0, 0]), plan_of([10, 10, 10, 10])))
    assert one == 30 + 0.5 * 20
    assert three == 3 * 30 + 0.5 * 30


def test_no_tokens_take_the_fixed_time() -> None:
    step = step_of([[0, 0], [0, 0]], [0, 1])
    assert step_time(step, plain_plan(step)).total_us == 14


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_what_is_sent_is_taken(nodes: int) -> None:
    """Over all GPUs, whatever the plan: the audit's own books balance."""
    from evaluators.token_dispatch.measures import _traffic

    rng = np.random.default_rng(nodes)
    load = rng.integers(0, 50, (6, 8)).astype(np.int32)
    plan = np.stack([rng.multinomial(row.sum(), np.full(8, 1 / 8)) for row in load]).astype(np.int32)
    near_in, near_out, far_in, far_out = _traffic(step_of(load.tolist(), [0] * 6, nodes), plan)
    assert near_in.sum() == pytest.approx(near_out.sum())
    assert far_in.sum() == pytest.approx(far_out.sum())
    assert (near_in + far_in).sum() == pytest.approx((plan - np.minimum(plan, load)).sum())
    by_node = [x.reshape(nodes, -1).sum(axis=1) for x in (near_in, near_out)]
    assert by_node[0] == pytest.approx(by_node[1]), "near tokens stay on their node"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[60, 20], [10, 10]], "not list"),
        (np.zeros((2, 2), dtype=np.int64), "dtype int32"),
        (np.zeros((2, 3), dtype=np.int32), "shape"),
        (plan_of([81, -1], [0, 20]), "GPU 1 computes -1 tokens of expert 0"),
        (plan_of([80, 0], [0, 19]), "expert 1 has 20 tokens, the plan computes 19"),
        (plan_of([80, 1], [0, 20]), "expert 0 has 80 tokens, the plan computes 81"),
        (plan_of([80, 0], [20, 0]), "GPU 0 needs 53.0 MiB for activations and foreign weights, it has 45.0"),
    ],
)
def test_illegal_plans_are_refused_with_the_reason(value: object, words: str) -> None:
    step = step_of([[60, 20], [10, 10]], [0, 1], memory_mib=45.0)
    fault = fault_of(value, plan_form(step))
    assert fault is not None
    assert words in fault.reason


def test_a_legal_plan_has_no_fault() -> None:
    step = step_of([[60, 20], [10, 10]], [0, 1], memory_mib=40.0)
    assert fault_of(plain_plan(step), plan_form(step)) is None


def test_costs_of_a_published_layer() -> None:
    """gpt-oss-120b on H200: 49.8 MFLOP a token and 49.8 MB an expert; a token's vector is 5,760 bytes."""
    costs = costs_of(Model(experts=128, top_k=4, hidden=2880, intermediate=2880), H200, 1, 0.0)
    assert costs.token_us == pytest.approx(49.7664e6 / (0.6 * 989e12) * 1e6)
    assert costs.setup_us == pytest.approx(4.0 + 49.7664e6 / (0.8 * 4.8e12) * 1e6)
    assert costs.near_token_us == pytest.approx(5760 / (0.8 * 450e9) * 1e6)
    assert costs.near_expert_us == pytest.approx(49.7664e6 / (0.8 * 450e9) * 1e6)
    assert costs.expert_mib == pytest.approx(47.46, abs=0.01)


def test_deepseek_v3_is_slower_to_send_than_to_compute_between_nodes() -> None:
    costs = costs_of(Model(experts=256, top_k=8, hidden=7168, intermediate=2048), H100, 4, 0.0)
    assert costs.far_token_us > 2 * costs.token_us
    assert costs.far_expert_us == pytest.approx(9 * costs.near_expert_us)
    assert costs.collective_us == 45
