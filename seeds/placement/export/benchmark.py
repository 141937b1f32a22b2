"""Times MODULE and compares its placements with two plain ones on held-out tokens. Needs numpy only.

The tokens are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import place

SHAPES = [(26, 64, 6, 8, 1), (12, 128, 8, 16, 2)]
TOKENS = 4096


def draw(layers, experts, top_k, seed=0):
    """Visits (tokens, layers, experts): tokens are of 64 kinds, and each kind prefers some experts of every layer."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(0, 3, (64, layers, experts)).astype(np.float32)
    kind = rng.integers(64, size=2 * TOKENS)
    marks = np.zeros((2 * TOKENS, layers, experts), dtype=np.float32)
    for layer in range(layers):
        scores = taste[kind, layer] + rng.gumbel(size=(2 * TOKENS, experts))
        np.put_along_axis(marks[:, layer], np.argsort(-scores, axis=1)[:, :top_k], 1, axis=1)
    return marks


def count(marks):
    """Transitions and load."""
    transitions = np.stack([marks[:, layer].T @ marks[:, layer + 1] for layer in range(marks.shape[1] - 1)])
    return transitions, marks.sum(axis=0)


def lost(placement, transitions, load, num_gpus, num_nodes):
    """Shares that cross GPUs and nodes, the busiest GPU's excess, and the time lost."""
    per_node = num_gpus // num_nodes
    total = transitions.sum(axis=(1, 2))

    def moved(places):
        away = places[:-1, :, None] != places[1:, None, :]
        return float(((transitions * away).sum(axis=(1, 2)) / total).mean())

    gpu_load = np.stack([np.bincount(row, weights=own, minlength=num_gpus) for row, own in zip(placement, load)])
    excess = float((gpu_load.max(axis=1) / gpu_load.mean(axis=1)).mean()) - 1
    crossing, leaving = moved(placement), moved(placement // per_node)
    return crossing, leaving, excess, 0.4 * crossing + 0.9 * leaving + excess


def in_order(transitions, load, num_gpus, num_nodes):
    """Experts in order."""
    return np.tile(np.arange(load.shape[1]) // (load.shape[1] // num_gpus), (len(load), 1))


def by_load(transitions, load, num_gpus, num_nodes):
    """Heaviest first on the least loaded GPU with a free seat."""
    placement = np.empty(load.shape, dtype=int)
    for row, own in zip(placement, load):
        held, free = np.zeros(num_gpus), np.full(num_gpus, load.shape[1] // num_gpus)
        for expert in np.argsort(-own):
            gpu = np.argmin(np.where(free > 0, held, np.inf))
            row[expert] = gpu
            held[gpu] += own[expert]
            free[gpu] -= 1
    return placement


def main():
    """Print one line for each shape and placement."""
    print(f"{'shape':>8} {'placement':>9} {'crossing':>8} {'leaving':>8} {'excess':>7} {'lost':>6} {'ms':>7}")
    for layers, experts, top_k, num_gpus, num_nodes in SHAPES:
        marks = draw(layers, experts, top_k)
        past, held_out = count(marks[:TOKENS]), count(marks[TOKENS:])
        for name, function in (("MODULE", place), ("in order", in_order), ("by load", by_load)):
            started = time.perf_counter()
            placement = function(transitions=past[0], load=past[1], num_gpus=num_gpus, num_nodes=num_nodes)
            took = time.perf_counter() - started
            crossing, leaving, excess, sum_lost = lost(placement, *held_out, num_gpus, num_nodes)
            print(
                f"{layers}x{experts:<5} {name:>9} {crossing:8.3f} {leaving:8.3f} {excess:7.3f} {sum_lost:6.3f} "
                f"{1000 * took:7.1f}"
            )


if __name__ == "__main__":
    main()
