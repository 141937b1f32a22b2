"""The reference that score 100 stands for: a greedy planner that is shown the true next window."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from evaluators.eplb.measures import Loads, Plan, balance, moved, residents


def keep_where_it_pays(fresh: Plan, previous: Plan | None, load: Loads, num_gpus: int, migration_cost: float) -> Plan:
    """Choose for every layer between the previous plan and a fresh one with its GPUs relabelled.

    Args:
        fresh: a plan made for the true load, ``(layers, slots)``.
        previous: the reference's own last plan, or None in the first window.
        load: the true load of the window, ``(layers, experts)`` in tokens.
        num_gpus: GPUs.
        migration_cost: objective lost when all slots move.
    """
    if previous is None:
        return fresh
    experts = load.shape[1]
    relabelled = relabel(fresh, previous, experts, num_gpus)
    gain_fresh = balance(relabelled, load, num_gpus) - migration_cost * moved(relabelled, previous, experts, num_gpus)
    gain_kept = balance(previous, load, num_gpus)
    return np.where((gain_kept >= gain_fresh)[:, None], previous, relabelled).astype(np.int32)


def relabel(plan: Plan, previous: Plan, experts: int, num_gpus: int) -> Plan:
    """Permute a plan's GPUs in each layer so that as many slots as possible stay where they were.

    An assignment problem over the experts that a new and an old GPU share; experts held more than once by
    one GPU count once, which greedy plans hardly ever do.
    """
    layers, slots = plan.shape
    new = np.minimum(residents(plan, experts, num_gpus), 1).astype(np.float32)
    old = np.minimum(residents(previous, experts, num_gpus), 1).astype(np.float32)
    shared = old @ new.transpose(0, 2, 1)
    by_gpu = plan.reshape(layers, num_gpus, slots // num_gpus)
    placed = np.empty_like(by_gpu)
    for layer in range(layers):
        old_gpu, new_gpu = linear_sum_assignment(shared[layer], maximize=True)
        placed[layer, old_gpu] = by_gpu[layer, new_gpu]
    return placed.reshape(layers, slots)
