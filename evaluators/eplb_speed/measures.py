"""What a plan must be: legal, with every group on one node, and balanced as well as DeepSeek's own.

A plan is int32 ``(layers, slots)``: which expert sits in each slot; slot ``r`` is on GPU ``r // (slots // gpus)``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluators.eplb.measures import Loads, Plan, balance, copies_of
from evaluators.eplb_speed.planner import deepseek_plan
from evaluators.eplb_speed.shapes import Shape
from evaluators.replies import Expected, Rule

TOLERANCE = 0.002
"""By which share of DeepSeek's balance a plan may fall short of it."""

EVERY_EXPERT, ONE_NODE, BALANCED = "every expert has a slot", "a group stays on one node", "balanced"
"""Names of the rules."""


def plan_form(load: Loads, shape: Shape) -> Expected:
    """The form of a plan for this very load: the bar is the balance of DeepSeek's own plan for it."""
    bar = mean_balance(deepseek_plan(load, shape), load, shape)
    rules = [Rule(name=EVERY_EXPERT, fault=partial(_missing, shape), spoil=partial(_drop_an_expert, load, shape))]
    if shape.is_hierarchical:
        rules.append(Rule(name=ONE_NODE, fault=partial(_scattered, shape), spoil=partial(_trade_nodes, load, shape)))
    rules.append(Rule(name=BALANCED, fault=partial(_worse, load, shape, bar), spoil=partial(_pile_up, load, shape)))
    return Expected(
        what="the plan",
        dtype="int32",
        shape=(shape.layers, shape.num_slots),
        low=0,
        high=shape.experts - 1,
        values="expert ids",
        rules=tuple(rules),
    )


def mean_balance(plan: Plan, load: Loads, shape: Shape) -> float:
    """Mean over layers of mean over maximal GPU load, in 0..1; an expert's load is split evenly over its slots."""
    return float(balance(plan, load, shape.num_gpus).mean())


def _missing(shape: Shape, plan: Plan) -> str | None:
    copies = copies_of(plan, shape.experts)
    if copies.all():
        return None
    layer, expert = np.argwhere(copies == 0)[0]
    return f"expert {expert} has no slot in layer {layer}"


def _scattered(shape: Shape, plan: Plan) -> str | None:
    nodes_of = _nodes_of_groups(shape, plan).sum(axis=2)
    if (nodes_of <= 1).all():
        return None
    layer, group = np.argwhere(nodes_of > 1)[0]
    return f"the experts of group {group} sit on {nodes_of[layer, group]} nodes in layer {layer}"


def _nodes_of_groups(shape: Shape, plan: Plan) -> NDArray[np.bool_]:
    """Whether a group has a slot on a node, ``(layers, groups, nodes)``."""
    held = np.zeros((shape.layers, shape.num_groups, shape.num_nodes), dtype=np.bool_)
    group = plan // (shape.experts // shape.num_groups)
    node = np.arange(shape.num_slots) // (shape.num_slots // shape.num_nodes)
    held[np.arange(shape.layers)[:, None], group, node] = True
    return held


def _worse(load: Loads, shape: Shape, bar: float, plan: Plan) -> str | None:
    reached = mean_balance(plan, load, shape)
    if reached >= (1 - TOLERANCE) * bar:
        return None
    return (
        f"a balance of {reached:.4f}, more than {100 * TOLERANCE:g} % short of DeepSeek's {bar:.4f} on this load "
        f"({shape.label})"
    )


def _drop_an_expert(load: Loads, shape: Shape, plan: Plan, rng: np.random.Generator) -> Plan:
    """Give the slots of the lightest expert of one layer to light neighbours on the same GPUs: little else changes."""
    layer = int(rng.integers(shape.layers))
    lost = int(np.argmin(load[layer]))
    spoilt = plan.copy()
    row = spoilt[layer].reshape(shape.num_gpus, -1)
    for gpu in np.flatnonzero((row == lost).any(axis=1)):
        others = row[gpu][row[gpu] != lost]
        # A GPU that holds nothing else, as may be where experts are few, is given something of the whole layer.
        heirs = others if len(others) else row[row != lost]
        row[gpu][row[gpu] == lost] = heirs[int(np.argmin(load[layer][heirs]))]
    return spoilt


def _trade_nodes(load: Loads, shape: Shape, plan: Plan, rng: np.random.Generator) -> Plan:
    """Let two slots of nearly equal weight on different nodes trade places in one layer."""
    layer = int(rng.integers(shape.layers))
    row = plan[layer]
    weight = (load[layer] / copies_of(plan, shape.experts)[layer])[row]
    here, there = np.split(np.arange(shape.num_slots), [shape.num_slots // shape.num_nodes])
    apart = np.abs(weight[here][:, None] - weight[there][None, :])
    first, second = np.unravel_index(int(apart.argmin()), apart.shape)
    spoilt = plan.copy()
    pair = [here[first], there[second]]
    spoilt[layer, pair] = row[pair[::-1]]
    return spoilt


def _pile_up(load: Loads, shape: Shape, plan: Plan, rng: np.random.Generator) -> Plan:
    """Sort every node's slots by weight, so that its heaviest copies share a GPU; the rest of the rules still hold."""
    nodes = shape.num_nodes
    weight = np.take_along_axis(load / copies_of(plan, shape.experts), plan.astype(np.int64), axis=1)
    weight = weight.reshape(shape.layers * nodes, -1)
    order = np.argsort(weight if rng.random() < 0.5 else -weight, axis=1, kind="stable")
    return np.take_along_axis(plan.reshape(weight.shape), order, axis=1).reshape(plan.shape)
