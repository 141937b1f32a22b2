"""Longest first, then a few exchanges between the fullest machine and the others."""

import numpy as np

ROUNDS = 3  # tune: int 1 200


def longest_first(seconds, machines):
    """Give jobs, longest first, to the least loaded machine."""
    load = np.zeros(machines)
    machine = np.empty(len(seconds), dtype=np.int32)
    for job in np.argsort(-seconds, kind="stable"):
        machine[job] = np.argmin(load)
        load[machine[job]] += seconds[job]
    return machine


def best_exchange(seconds, machine, load):
    """The two jobs whose exchange makes the fuller of their machines least full; None if none helps."""
    top = np.argmax(load)
    ours, theirs = np.flatnonzero(machine == top), np.flatnonzero(machine != top)
    if not len(ours) or not len(theirs):
        return None
    change = seconds[ours][:, None] - seconds[theirs]
    fuller = np.maximum(load[top] - change, load[machine[theirs]] + change)
    ours_at, theirs_at = np.unravel_index(np.argmin(fuller), fuller.shape)
    if fuller[ours_at, theirs_at] >= load[top]:
        return None
    return ours[ours_at], theirs[theirs_at]


def assign(seconds, machines):
    """Improve a good assignment step by step."""
    machine = longest_first(seconds, machines)
    for _ in range(ROUNDS):
        load = np.bincount(machine, weights=seconds, minlength=machines)
        pair = best_exchange(seconds, machine, load)
        if pair is None:
            break
        first, second = pair
        machine[first], machine[second] = machine[second], machine[first]
    return machine
