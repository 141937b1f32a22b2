"""Longest processing time first: at most 4/3 - 1/(3 machines) of the optimum (Graham 1969)."""

import numpy as np


def assign(seconds, machines):
    """Give jobs, longest first, to the least loaded machine."""
    load = np.zeros(machines)
    machine = np.empty(len(seconds), dtype=np.int32)
    for job in np.argsort(-seconds, kind="stable"):
        machine[job] = np.argmin(load)
        load[machine[job]] += seconds[job]
    return machine
