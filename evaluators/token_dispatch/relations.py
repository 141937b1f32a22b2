"""What may be renamed, reordered or scaled without effect on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluators.problem import Relation
from evaluators.token_dispatch.hardware import TIMES
from evaluators.token_dispatch.measures import Plan, Step
from evaluators.token_dispatch.steps import DispatchStream

Change = tuple[DispatchStream, Callable[[Plan], Plan]]


def _each(stream: DispatchStream, change: Callable[[Step], Step]) -> DispatchStream:
    return dataclasses.replace(stream, steps=tuple(map(change, stream.steps)))


def _relabel_experts(stream: DispatchStream, rng: np.random.Generator) -> Change:
    """Experts trade names, with their owners."""
    order = rng.permutation(len(stream.steps[0].owner))
    changed = _each(stream, lambda step: dataclasses.replace(step, load=step.load[order], owner=step.owner[order]))
    return changed, lambda plan: plan[order]


def _reorder_gpus(stream: DispatchStream, order: NDArray[np.int64]) -> Change:
    """GPU ``order[i]`` becomes GPU ``i``."""
    place = np.argsort(order).astype(np.int32)
    changed = _each(
        stream, lambda step: dataclasses.replace(step, load=step.load[:, order].copy(), owner=place[step.owner])
    )
    return changed, lambda plan: plan[:, order]


def _relabel_gpus(stream: DispatchStream, rng: np.random.Generator) -> Change:
    """The GPUs of each node trade places."""
    gpus = np.arange(stream.steps[0].num_gpus).reshape(stream.steps[0].num_nodes, -1)
    return _reorder_gpus(stream, rng.permuted(gpus, axis=1).ravel())


def _relabel_nodes(stream: DispatchStream, rng: np.random.Generator) -> Change:
    """Nodes trade places with all their GPUs."""
    gpus = np.arange(stream.steps[0].num_gpus).reshape(stream.steps[0].num_nodes, -1)
    return _reorder_gpus(stream, rng.permutation(gpus).ravel())


def _scale_times(stream: DispatchStream, rng: np.random.Generator) -> Change:
    """A machine that is slower in everything: every time is multiplied by one power of two, which rounds nothing."""
    factor = float(2.0 ** rng.integers(1, 6))

    def slower(step: Step) -> Step:
        times = {
            field.name: factor * getattr(step.costs, field.name) for field in dataclasses.fields(step.costs)[:TIMES]
        }
        return dataclasses.replace(step, costs=dataclasses.replace(step.costs, **times))

    return _each(stream, slower), lambda plan: plan


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="relabel the GPUs of a node", change=_relabel_gpus),
    Relation(name="relabel nodes", change=_relabel_nodes),
    Relation(name="scale all times", change=_scale_times),
)
