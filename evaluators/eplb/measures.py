"""Everything that the judge derives from a plan, and the proven bound.

A plan is an int32 array ``(layers, slots)``: which expert sits in each slot; slot ``r`` is on GPU
``r // (slots // gpus)``. An expert's load is split evenly over its slots.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.replies import Expected, Rule

Plan = NDArray[np.int32]
Loads = NDArray[np.floating[Any]]
Values = NDArray[np.float64]


def plan_form(layers: int, experts: int, num_slots: int) -> Expected:
    """The form of a legal plan: int32 ``(layers, num_slots)``, ids in range, every expert somewhere in each layer."""
    return Expected(
        what="the plan",
        dtype="int32",
        shape=(layers, num_slots),
        low=0,
        high=experts - 1,
        values="expert ids",
        rules=(Rule(name="every expert has a slot", fault=partial(_missing_expert, experts), spoil=_drop_an_expert),),
    )


def _missing_expert(experts: int, plan: Plan) -> str | None:
    copies = copies_of(plan, experts)
    if copies.all():
        return None
    layer, expert = np.argwhere(copies == 0)[0]
    return f"expert {expert} has no slot in layer {layer}"


def _drop_an_expert(plan: Plan, rng: np.random.Generator) -> Plan:
    """Give all slots of one expert in one layer to another."""
    layer = int(rng.integers(len(plan)))
    lost, heir = rng.choice(np.unique(plan[layer]), size=2, replace=False)
    spoilt = plan.copy()
    spoilt[layer][spoilt[layer] == lost] = heir
    return spoilt


def copies_of(plan: Plan, experts: int) -> NDArray[np.int64]:
    """How many slots hold each expert: ``(layers, experts)``."""
    layers = len(plan)
    keys = plan + np.arange(layers)[:, None] * experts
    return np.bincount(keys.ravel(), minlength=layers * experts).reshape(layers, experts)


def gpu_loads(plan: Plan, load: Loads, num_gpus: int) -> Values:
    """Load of every GPU, ``(layers, gpus)``, for the experts' load ``(layers, experts)`` in tokens."""
    layers, experts = load.shape
    per_copy = load.astype(np.float64) / copies_of(plan, experts)
    per_slot = np.take_along_axis(per_copy, plan.astype(np.int64), axis=1)
    loads: Values = per_slot.reshape(layers, num_gpus, -1).sum(axis=2)
    return loads


def balance(plan: Plan, load: Loads, num_gpus: int) -> Values:
    """Mean over maximal GPU load of each layer, ``(layers,)``, in 0..1; 1 for a layer without load."""
    loads = gpu_loads(plan, load, num_gpus)
    peak = loads.max(axis=1)
    shares: Values = np.divide(loads.mean(axis=1), peak, out=np.ones_like(peak), where=peak > 0)
    return shares


def residents(plan: Plan, experts: int, num_gpus: int) -> NDArray[np.int64]:
    """How many copies of each expert every GPU holds: ``(layers, gpus, experts)``."""
    layers, slots = plan.shape
    gpu = np.arange(slots) // (slots // num_gpus)
    keys = (np.arange(layers)[:, None] * num_gpus + gpu) * experts + plan
    counts = np.bincount(keys.ravel(), minlength=layers * num_gpus * experts)
    return counts.reshape(layers, num_gpus, experts)


def moved(plan: Plan, previous: Plan, experts: int, num_gpus: int) -> Values:
    """Share of each layer's slots whose expert must be loaded, ``(layers,)``, in 0..1.

    Per GPU the multiset difference of the experts it holds and held: order within a GPU is free.
    """
    gained = residents(plan, experts, num_gpus) - residents(previous, experts, num_gpus)
    share: Values = np.maximum(gained, 0).sum(axis=(1, 2)) / plan.shape[1]
    return share


def balance_ceiling(load: Loads, num_slots: int, num_gpus: int) -> Values:
    """Proven upper bound of `balance` over all plans, for loads ``(..., experts)``; shape ``(...)``.

    The maximal GPU load is at least the mean GPU load, and at least the load of the heaviest single copy.
    The copies that minimise the heaviest copy are found exactly by giving each spare slot to the expert
    whose copies are heaviest (the minimax apportionment; Ibaraki and Katoh, Resource Allocation Problems,
    section 4.4). The linear program that lets an expert's load split unevenly over fractional slots is
    weaker: its optimum is the mean whenever slots >= experts, by spreading every expert over all GPUs.
    """
    flat = load.reshape(-1, load.shape[-1]).astype(np.float64)
    copies = np.ones_like(flat)
    per_copy = flat.copy()
    rows = np.arange(len(flat))
    for _ in range(num_slots - flat.shape[1]):
        heaviest = per_copy.argmax(axis=1)
        copies[rows, heaviest] += 1
        per_copy[rows, heaviest] = flat[rows, heaviest] / copies[rows, heaviest]
    mean = flat.sum(axis=1) / num_gpus
    peak = np.maximum(mean, per_copy.max(axis=1))
    bound: Values = np.divide(mean, peak, out=np.ones_like(peak), where=peak > 0)
    return bound.reshape(load.shape[:-1])
