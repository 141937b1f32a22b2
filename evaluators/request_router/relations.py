"""What may be renamed or scaled without effect on what routing is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluators.problem import Relation
from evaluators.replies import Array
from evaluators.request_router.traffic import Costs, Traffic

Changed = tuple[Traffic, Callable[[Array], Array]]


def _relabel_instances(traffic: Traffic, rng: np.random.Generator) -> Changed:
    order = rng.permutation(len(traffic.fleet))
    fleet = tuple(traffic.fleet[old] for old in order)
    renamed = np.argsort(order)
    return replace(traffic, fleet=fleet), lambda choice: renamed[choice].astype(np.int32)


def _rename_blocks(traffic: Traffic, rng: np.random.Generator) -> Changed:
    known = sorted({block for request in traffic.requests for block in request.blocks})
    fresh = dict(zip(known, rng.permutation(len(known)).tolist(), strict=True))
    requests = tuple(
        replace(request, blocks=tuple(fresh[block] for block in request.blocks)) for request in traffic.requests
    )
    return replace(traffic, requests=requests), lambda choice: choice


def _twice_as_dear(costs: Costs) -> Costs:
    """Twice the seconds of everything; interference is a share and stays."""
    return replace(
        costs,
        fixed=2 * costs.fixed,
        linear=2 * costs.linear,
        quadratic=2 * costs.quadratic,
        step=2 * costs.step,
        step_request=2 * costs.step_request,
    )


def _slow_down(traffic: Traffic, rng: np.random.Generator) -> Changed:
    """Twice the time for everything; a power of two, so that nothing is rounded."""
    del rng
    requests = tuple(replace(request, arrival_seconds=2 * request.arrival_seconds) for request in traffic.requests)
    fleet = tuple(replace(speeds, starts=tuple(2 * start for start in speeds.starts)) for speeds in traffic.fleet)
    slow = replace(
        traffic,
        requests=requests,
        fleet=fleet,
        costs=_twice_as_dear(traffic.costs),
        objective_seconds=2 * traffic.objective_seconds,
        view_seconds=2 * traffic.view_seconds,
    )
    return slow, lambda choice: choice


def _twice_as_fast(traffic: Traffic, rng: np.random.Generator) -> Changed:
    """Instances of twice the speed, on prompts and answers that cost twice as much."""
    del rng
    fleet = tuple(replace(speeds, factors=tuple(2 * factor for factor in speeds.factors)) for speeds in traffic.fleet)
    return replace(traffic, fleet=fleet, costs=_twice_as_dear(traffic.costs)), lambda choice: choice


RELATIONS = (
    Relation(name="relabel instances", change=_relabel_instances),
    Relation(name="rename blocks", change=_rename_blocks),
    Relation(name="slow everything down", change=_slow_down),
    Relation(name="twice the speed for twice the cost", change=_twice_as_fast),
)
"""Changes of workload and choices that leave the objective as it was."""
