"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import dispatch

# experts, GPUs, nodes, mean tokens of an expert on a source GPU
SHAPES = [(64, 8, 1, 500), (128, 16, 2, 40), (256, 32, 4, 100), (8, 8, 1, 3000), (16, 4, 2, 1)]


def draw(shape, seed):
    """A load with hot experts, owners, and the costs of a machine with 4 experts' room."""
    experts, gpus, _, mean = shape
    rng = np.random.default_rng(seed)
    load = rng.poisson(mean * np.exp(rng.normal(0, 1, (experts, 1))), (experts, gpus)).astype(np.int32)
    owner = (np.arange(experts) * gpus // experts).astype(np.int32)
    plain = np.bincount(owner, weights=load.sum(axis=1), minlength=gpus)
    memory = max(0.016 * plain.max(), 2 * 0.016 * plain.mean() + 4 * 16.5)
    hardware = np.array([0.03, 10.5, 0.011, 0.1, 48.0, 430.0, 20.0, 150.0, 16.5, 0.016, memory])
    return load, owner, hardware


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_plans_are_legal(shape, seed):
    load, owner, hardware = draw(shape, seed)
    plan = dispatch(load=load, owner=owner, num_gpus=shape[1], num_nodes=shape[2], hardware=hardware)
    assert isinstance(plan, np.ndarray)
    assert plan.dtype == np.int32
    assert plan.shape == load.shape
    assert (plan >= 0).all()
    assert np.array_equal(plan.sum(axis=1), load.sum(axis=1))
    foreign = plan > 0
    foreign[np.arange(len(owner)), owner] = False
    used = 0.016 * plan.sum(axis=0) + 16.5 * foreign.sum(axis=0)
    assert (used <= hardware[10] * (1 + 1e-9)).all()


def test_input_is_left_alone():
    load, owner, hardware = draw(SHAPES[0], 1)
    kept = load.copy(), owner.copy(), hardware.copy()
    dispatch(load=load, owner=owner, num_gpus=8, num_nodes=1, hardware=hardware)
    for now, before in zip((load, owner, hardware), kept):
        assert np.array_equal(now, before)


def test_an_idle_step_is_planned_too():
    load, owner, hardware = draw(SHAPES[0], 2)
    plan = dispatch(load=load * 0, owner=owner, num_gpus=8, num_nodes=1, hardware=hardware)
    assert not plan.any()
