"""Times MODULE against DeepSeek EPLB's algorithm as plain loops, and compares balance. Needs numpy only.

The loads are public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import time

import numpy as np
from MODULE import rebalance

# layers, experts, slots, groups, nodes, GPUs
SHAPES = [(26, 64, 80, 1, 1, 8), (48, 128, 160, 1, 2, 16), (58, 256, 288, 8, 4, 32), (60, 384, 416, 1, 2, 16)]
CALLS = 7


def draw(shape, seed):
    """Token counts (layers, experts) with a few hot experts."""
    rng = np.random.default_rng(seed)
    return rng.poisson(200 * np.exp(rng.normal(0, 0.8, shape[:2]))).astype(np.float32)


def pack(weights, packs):
    """Items of each pack: heaviest first, each to the lightest pack with room."""
    members = [[] for _ in range(packs)]
    sums = [0.0] * packs
    for item in np.argsort(-weights, kind="stable").tolist():
        best = min((p for p in range(packs) if len(members[p]) < len(weights) // packs), key=lambda p: sums[p])
        members[best].append(item)
        sums[best] += weights[item]
    return members


def loops(load, num_slots, num_groups, num_nodes, num_gpus):
    """DeepSeek EPLB layer by layer."""
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    experts = load.shape[1]
    size = experts // num_groups
    plan = []
    for row in load.astype(np.float64):
        slots = []
        for held in pack(row.reshape(num_groups, size).sum(axis=1), num_nodes):
            members = np.concatenate([np.arange(group * size, (group + 1) * size) for group in held])
            counts = np.ones(len(members), dtype=np.int64)
            for _ in range((num_slots - experts) // num_nodes):
                counts[np.argmax(row[members] / counts)] += 1
            copies = np.repeat(np.arange(len(members)), counts)
            gpus = pack((row[members] / counts)[copies], num_gpus // num_nodes)
            slots += [members[copies[item]] for gpu in gpus for item in gpu]
        plan.append(slots)
    return np.array(plan, dtype=np.int32)


def balance(slots, load, num_gpus):
    """Mean over layers of mean/max GPU load."""
    values = []
    for row, tokens in zip(slots, load):
        counts = np.bincount(row, minlength=len(tokens))
        gpu = (tokens / counts)[row].reshape(num_gpus, -1).sum(axis=1)
        values.append(gpu.mean() / gpu.max())
    return float(np.mean(values))


def main():
    """Print one line for each shape and planner."""
    print(f"{'shape':>7} {'planner':>8} {'balance':>8} {'ms/call':>8}")
    for shape in SHAPES:
        _, _, num_slots, num_groups, num_nodes, num_gpus = shape
        terms = {"num_slots": num_slots, "num_groups": num_groups, "num_nodes": num_nodes, "num_gpus": num_gpus}
        for name, planner in (("MODULE", rebalance), ("loops", loops)):
            balances, seconds = [], []
            for seed in range(CALLS):
                load = draw(shape, seed)
                started = time.perf_counter()
                slots = planner(load=load, **terms)
                seconds.append(time.perf_counter() - started)
                balances.append(balance(slots, load, num_gpus))
            label = f"{shape[0]}x{shape[1]}"
            print(f"{label:>7} {name:>8} {np.mean(balances):8.4f} {1000 * np.median(seconds):8.2f}")


if __name__ == "__main__":
    main()
