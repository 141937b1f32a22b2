"""Checks MODULE's plans on random loads. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import rebalance

# layers, experts, slots, groups, nodes, GPUs
SHAPES = [(26, 64, 80, 1, 1, 8), (58, 256, 288, 8, 4, 32), (36, 128, 144, 1, 6, 48), (4, 16, 16, 4, 2, 8)]


def draw(shape, seed, spread=0.8):
    """Token counts (layers, experts) with a few hot experts."""
    rng = np.random.default_rng(seed)
    return rng.poisson(200 * np.exp(rng.normal(0, spread, shape[:2]))).astype(np.float32)


def plan(load, shape):
    """Call it as a server would."""
    _, _, num_slots, num_groups, num_nodes, num_gpus = shape
    return rebalance(load=load, num_slots=num_slots, num_groups=num_groups, num_nodes=num_nodes, num_gpus=num_gpus)


def pack(weights, packs):
    """Items of each pack: heaviest first, each to the lightest pack with room."""
    members = [[] for _ in range(packs)]
    sums = [0.0] * packs
    for item in sorted(range(len(weights)), key=lambda i: -weights[i]):
        best = min((p for p in range(packs) if len(members[p]) < len(weights) // packs), key=lambda p: sums[p])
        members[best].append(item)
        sums[best] += weights[item]
    return members


def greedy(load, shape):
    """Balance of DeepSeek EPLB's plan for one layer."""
    _, experts, num_slots, groups, nodes, gpus = shape
    if groups % nodes:
        groups, nodes = 1, 1
    size = experts // groups
    loads = []
    for held in pack([sum(load[g * size : (g + 1) * size]) for g in range(groups)], nodes):
        members = [expert for group in held for expert in range(group * size, (group + 1) * size)]
        counts = dict.fromkeys(members, 1)
        for _ in range((num_slots - experts) // nodes):
            counts[max(members, key=lambda e: load[e] / counts[e])] += 1
        copies = [load[e] / counts[e] for e in members for _ in range(counts[e])]
        loads += [sum(copies[i] for i in gpu) for gpu in pack(copies, gpus // nodes)]
    return np.mean(loads) / max(loads)


def balance(slots, load, gpus):
    """Mean over maximal GPU load of one layer."""
    copies = np.bincount(slots, minlength=len(load))
    loads = (load / copies)[slots].reshape(gpus, -1).sum(axis=1)
    return loads.mean() / loads.max()


@pytest.mark.parametrize("spread", [0.2, 0.8, 1.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_plans_are_legal_and_as_balanced_as_deepseeks(shape, spread):
    load = draw(shape, seed=1, spread=spread)
    slots = plan(load, shape)
    assert isinstance(slots, np.ndarray)
    assert slots.dtype == np.int32
    assert slots.shape == (shape[0], shape[2])
    for layer in slots:
        assert set(layer.tolist()) == set(range(shape[1]))
    ours = np.mean([balance(row, tokens, shape[5]) for row, tokens in zip(slots, load)])
    assert ours >= 0.998 * np.mean([greedy(tokens.tolist(), shape) for tokens in load])


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[3]])
def test_a_group_stays_on_one_node(shape):
    _, experts, num_slots, groups, nodes, _ = shape
    slots = plan(draw(shape, seed=2), shape)
    for layer in slots:
        held = [set((node // (experts // groups)).tolist()) for node in layer.reshape(nodes, num_slots // nodes)]
        assert sum(map(len, held)) == groups


def test_input_is_left_alone():
    load = draw(SHAPES[0], seed=3)
    kept = load.copy()
    plan(load, SHAPES[0])
    assert np.array_equal(load, kept)
