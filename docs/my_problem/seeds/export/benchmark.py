"""Compares MODULE's makespan with longest-first on random jobs. Needs numpy only."""

import time

import numpy as np
from MODULE import assign


def longest_first(seconds, machines):
    """Give jobs, longest first, to the least loaded machine."""
    load = np.zeros(machines)
    machine = np.empty(len(seconds), dtype=np.int32)
    for job in np.argsort(-seconds, kind="stable"):
        machine[job] = np.argmin(load)
        load[machine[job]] += seconds[job]
    return machine


def main():
    """Print one line for each shape."""
    print(f"{'jobs':>5} {'machines':>8} {'makespan / longest first':>25} {'ms/call':>8}")
    rng = np.random.default_rng(0)
    for jobs, machines in [(40, 8), (60, 16), (80, 24)]:
        ratios, took = [], []
        for _ in range(20):
            seconds = rng.lognormal(0, 1, jobs)
            started = time.perf_counter()
            ours = assign(seconds=seconds, machines=machines)
            took.append(time.perf_counter() - started)
            spans = [np.bincount(m, weights=seconds).max() for m in (ours, longest_first(seconds, machines))]
            ratios.append(spans[0] / spans[1])
        print(f"{jobs:>5} {machines:>8} {np.mean(ratios):>25.3f} {1000 * np.median(took):>8.2f}")


if __name__ == "__main__":
    main()
