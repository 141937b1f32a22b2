"""What may be renamed, turned round or scaled without effect on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluators.placement.measures import Placement
from evaluators.placement.periods import Deployment
from evaluators.problem import Relation

Change = tuple[Deployment, Callable[[Placement], Placement]]


def _relabel_experts(deployment: Deployment, rng: np.random.Generator) -> Change:
    """In every layer the experts get new ids, in counts and placements."""
    layers, experts = deployment.load.shape[1:]
    old = np.stack([rng.permutation(experts) for _ in range(layers)])  # new id -> old id
    load = np.take_along_axis(deployment.load, old[None], axis=2)
    transitions = np.take_along_axis(deployment.transitions, old[None, :-1, :, None], axis=2)
    transitions = np.take_along_axis(transitions, old[None, 1:, None, :], axis=3)
    changed = dataclasses.replace(deployment, load=load, transitions=transitions)
    return changed, lambda placement: np.take_along_axis(placement, old, axis=1)


def _relabel_gpus(deployment: Deployment, rng: np.random.Generator) -> Change:
    """Nodes trade places, and GPUs within their node, in all layers alike."""
    per_node = deployment.num_gpus // deployment.num_nodes
    nodes = rng.permutation(deployment.num_nodes)
    new = np.concatenate([node * per_node + rng.permutation(per_node) for node in nodes]).astype(np.int32)
    return deployment, lambda placement: new[placement]


def _reverse_layers(deployment: Deployment, rng: np.random.Generator) -> Change:
    """The last layer comes first, and every transition goes the other way."""
    del rng
    transitions = np.ascontiguousarray(deployment.transitions[:, ::-1].transpose(0, 1, 3, 2))
    changed = dataclasses.replace(deployment, transitions=transitions, load=deployment.load[:, ::-1])
    return changed, lambda placement: placement[::-1]


def _double_counts(deployment: Deployment, rng: np.random.Generator) -> Change:
    """Every token comes twice."""
    del rng
    changed = dataclasses.replace(
        deployment,
        transitions=2 * deployment.transitions.astype(np.uint32),
        load=2 * deployment.load.astype(np.uint32),
    )
    return changed, lambda placement: placement


RELATIONS = (
    Relation(name="relabel experts", change=_relabel_experts),
    Relation(name="relabel GPUs", change=_relabel_gpus),
    Relation(name="reverse layers", change=_reverse_layers),
    Relation(name="double all counts", change=_double_counts),
)
