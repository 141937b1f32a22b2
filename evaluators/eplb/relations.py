"""What may be renamed, reordered or scaled without effect on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluators.eplb.measures import Plan
from evaluators.problem import Relation
from evaluators.workloads.stream import LoadStream

Change = tuple[LoadStream, Callable[[Plan], Plan]]


def _relabel_experts(stream: LoadStream, rng: np.random.Generator) -> Change:
    """Expert ``e`` becomes ``new[e]`` in loads and plans."""
    new = rng.permutation(stream.loads.shape[2]).astype(np.int32)
    loads = np.empty_like(stream.loads)
    loads[:, :, new] = stream.loads
    return dataclasses.replace(stream, loads=loads), lambda plan: new[plan]


def _relabel_gpus(stream: LoadStream, rng: np.random.Generator) -> Change:
    """GPUs trade places with all their slots, in every window alike."""
    order = rng.permutation(stream.num_gpus)
    return stream, lambda plan: _by_gpu(stream, plan)[:, order].reshape(plan.shape)


def _reorder_slots(stream: LoadStream, rng: np.random.Generator) -> Change:
    """The slots of a GPU trade places, in every window otherwise."""
    return stream, lambda plan: rng.permuted(_by_gpu(stream, plan), axis=2).reshape(plan.shape)


def _reorder_layers(stream: LoadStream, rng: np.random.Generator) -> Change:
    """Layers trade places in loads and plans."""
    order = rng.permutation(stream.loads.shape[1])
    return dataclasses.replace(stream, loads=stream.loads[:, order]), lambda plan: plan[order]


def _scale_loads(stream: LoadStream, rng: np.random.Generator) -> Change:
    """Every load is multiplied by one power of two, which rounds nothing."""
    factor = np.float32(2.0 ** rng.integers(1, 6))
    return dataclasses.replace(stream, loads=stream.loads * factor), lambda plan: plan


def _by_gpu(stream: LoadStream, plan: Plan) -> Plan:
    """The plan as ``(layers, gpus, slots per GPU)``."""
    return plan.reshape(len(plan), stream.num_gpus, -1)


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="relabel GPUs", change=_relabel_gpus),
    Relation(name="reorder the slots of a GPU", change=_reorder_slots),
    Relation(name="reorder layers", change=_reorder_layers),
    Relation(name="scale loads", change=_scale_loads),
)
