from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.replies import fault_of
from evaluators.token_dispatch.bound import lower_bound_us
from evaluators.token_dispatch.hardware import H100, H200, Costs, Model
from evaluators.token_dispatch.measures import Step, foreign, plain_plan, plan_form, step_time
from evaluators.token_dispatch.reference import search
from evaluators.token_dispatch.steps import Deployment, StepLaw, draw_steps


def costs_from(values: list[float]) -> Costs:
    names = [field.name for field in dataclasses.fields(Costs)]
    return Costs(**dict(zip(names, values, strict=True)))


def shares_of(tokens: int, gpus: int) -> list[tuple[int, ...]]:
    """All ways to share tokens over GPUs."""
    return [way for way in itertools.product(range(tokens + 1), repeat=gpus) if sum(way) == tokens]


def tiny_step(rng: np.random.Generator, num_nodes: int) -> Step:
    """Three experts with few tokens on two or four GPUs, and costs of which each may matter or not."""
    gpus = 2 if num_nodes == 1 else 4
    experts = 3 if gpus == 2 else 2
    load = rng.multinomial(1, np.full(gpus, 1 / gpus), size=(experts, 6 if gpus == 2 else 3)).sum(axis=1)
    costs = costs_from([*rng.choice([0.1, 1.0, 4.0, 16.0], size=8).tolist(), 1.0, 0.5, 0.0])
    step = Step(
        load=load.astype(np.int32),
        owner=rng.integers(gpus, size=experts).astype(np.int32),
        num_nodes=num_nodes,
        costs=costs,
    )
    memory = float(rng.choice([3.0, 5.0, 100.0])) + 0.5 * float(plain_plan(step).sum(axis=0).max())
    return dataclasses.replace(step, costs=dataclasses.replace(costs, memory_mib=memory))


def best_of_all(step: Step) -> float:
    """Exhaustively: the quickest of all legal plans."""
    ways = [shares_of(int(row.sum()), step.num_gpus) for row in step.load]
    plans = (np.array(rows, dtype=np.int32) for rows in itertools.product(*ways))
    legal = (plan for plan in plans if fault_of(plan, plan_form(step)) is None)
    return min(step_time(step, plan).total_us for plan in legal)


@settings(max_examples=16, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 1, 2]))
def test_no_plan_of_all_is_quicker_than_the_bound(seed: int, num_nodes: int) -> None:
    step = tiny_step(np.random.default_rng(seed), num_nodes)
    best = best_of_all(step)
    found = search(step)
    assert fault_of(found.plan, plan_form(step)) is None
    assert found.total_us == step_time(step, found.plan).total_us
    plain_us = step_time(step, plain_plan(step)).total_us
    assert best - 1e-9 <= found.total_us <= plain_us + 1e-9
    for known_us in (plain_us, found.total_us, best):
        assert lower_bound_us(step, known_us) <= best + 1e-9


MODEL = Model(experts=16, top_k=4, hidden=2048, intermediate=1408)
ONE_NODE = Deployment(model=MODEL, gpu=H200, num_gpus=4, num_nodes=1, label="one")
TWO_NODES = Deployment(model=MODEL, gpu=H100, num_gpus=4, num_nodes=2, label="two", scattered=True)


@pytest.mark.parametrize("deployment", [ONE_NODE, TWO_NODES], ids=["one node", "two nodes"])
@pytest.mark.parametrize("tokens", [1_000, 20_000, 200_000])
def test_reference_and_bound_on_drawn_steps(deployment: Deployment, tokens: int) -> None:
    law = StepLaw(tokens_low=tokens, tokens_high=2 * tokens, focused=0.6, uneven=0.5)
    for step in draw_steps(deployment, law, np.random.default_rng(tokens), 2):
        plain_us = step_time(step, plain_plan(step)).total_us
        found = search(step)
        assert fault_of(found.plan, plan_form(step)) is None
        bound_us = lower_bound_us(step, found.total_us)
        assert 0 < bound_us <= found.total_us <= plain_us
        # A looser known plan gives a looser bound, never a tighter one.
        assert lower_bound_us(step, plain_us) <= bound_us * (1 + 1e-6)


def test_perfect_split_of_one_expert_is_bounded_tightly() -> None:
    """A single expert's tokens wait evenly on 4 GPUs, weights and setups cost next to nothing: a quarter each."""
    costs = costs_from([1.0, 0.0, 1e-6, 1e-6, 1e-6, 1e-6, 0.0, 0.0, 1e-6, 1e-6, 1e6])
    step = Step(load=np.full((1, 4), 1000, dtype=np.int32), owner=np.zeros(1, dtype=np.int32), num_nodes=1, costs=costs)
    found = search(step)
    assert found.total_us == pytest.approx(1000, rel=0.01)
    assert lower_bound_us(step, found.total_us) == pytest.approx(1000, rel=0.01)


def test_nothing_is_moved_where_moving_costs_more_than_the_step() -> None:
    law = StepLaw(tokens_low=100, tokens_high=200)
    for step in draw_steps(ONE_NODE, law, np.random.default_rng(0), 3):
        dear = dataclasses.replace(step, costs=dataclasses.replace(step.costs, rearrange_us=1e6))
        found = search(dear)
        assert not foreign(dear, found.plan).any()
        assert lower_bound_us(dear, found.total_us) == found.total_us


def test_a_single_gpu_has_nothing_to_decide() -> None:
    step = Step(
        load=np.array([[5], [7]], dtype=np.int32),
        owner=np.zeros(2, dtype=np.int32),
        num_nodes=1,
        costs=costs_from([1.0] * 10 + [100.0]),
    )
    plain_us = step_time(step, plain_plan(step)).total_us
    assert search(step).total_us == lower_bound_us(step, plain_us) == plain_us
