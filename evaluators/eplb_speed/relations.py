"""What may be renamed, reordered or scaled without a plan becoming worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluators.eplb.measures import Plan
from evaluators.eplb_speed.tasks import PlanningTask
from evaluators.problem import Relation

Change = tuple[PlanningTask, Callable[[Plan], Plan]]


def _relabel_experts(task: PlanningTask, rng: np.random.Generator) -> Change:
    """Groups trade numbers, and the experts within each: whole groups may be dealt otherwise, but not torn apart."""
    groups, size = task.shape.num_groups, task.shape.experts // task.shape.num_groups
    within = rng.permuted(np.tile(np.arange(size), (groups, 1)), axis=1)
    new = (rng.permutation(groups)[:, None] * size + within).ravel().astype(np.int32)
    return replace(task, expert_order=tuple(new.tolist())), lambda plan: new[plan]


def _relabel_nodes(task: PlanningTask, rng: np.random.Generator) -> Change:
    """Nodes trade places with all they hold, and so do the GPUs of each node."""
    nodes, gpus = task.shape.num_nodes, task.shape.num_gpus
    order = rng.permuted(np.arange(gpus).reshape(nodes, -1), axis=1)[rng.permutation(nodes)].ravel()
    return task, lambda plan: _by_gpu(task, plan)[:, order].reshape(plan.shape)


def _reorder_slots(task: PlanningTask, rng: np.random.Generator) -> Change:
    """The slots of a GPU trade places."""
    return task, lambda plan: rng.permuted(_by_gpu(task, plan), axis=2).reshape(plan.shape)


def _reorder_layers(task: PlanningTask, rng: np.random.Generator) -> Change:
    """Layers trade places in load and plan."""
    order = rng.permutation(task.shape.layers)
    return replace(task, layer_order=tuple(order.tolist())), lambda plan: plan[order]


def _scale_loads(task: PlanningTask, rng: np.random.Generator) -> Change:
    """Every load is multiplied by one power of two, which rounds nothing."""
    return replace(task, factor=float(2.0 ** rng.integers(1, 6))), lambda plan: plan


def _by_gpu(task: PlanningTask, plan: Plan) -> Plan:
    """The plan as ``(layers, gpus, slots per GPU)``."""
    return plan.reshape(len(plan), task.shape.num_gpus, -1)


RELATIONS = (
    Relation(name="relabel experts and groups", change=_relabel_experts),
    Relation(name="relabel nodes and their GPUs", change=_relabel_nodes),
    Relation(name="reorder the slots of a GPU", change=_reorder_slots),
    Relation(name="reorder layers", change=_reorder_layers),
    Relation(name="scale loads", change=_scale_loads),
)
