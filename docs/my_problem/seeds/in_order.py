"""List scheduling: every job, in the order given, to the machine that is free first (Graham 1966)."""

import numpy as np


def assign(seconds, machines):
    """Give jobs in order to the least loaded machine."""
    load = np.zeros(machines)
    machine = np.empty(len(seconds), dtype=np.int32)
    for job, length in enumerate(seconds):
        machine[job] = np.argmin(load)
        load[machine[job]] += length
    return machine
