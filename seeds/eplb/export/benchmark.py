"""Times MODULE and compares its balance with a plain greedy planner on a drifting stream. Needs numpy only.

The stream is public and simple; scores of the problem itself come from secret workloads (see provenance.json).
"""

import heapq
import time

import numpy as np
from MODULE import plan

SHAPES = [(26, 64, 80, 8, 1), (58, 256, 288, 32, 4)]
WINDOWS = 20
WARM = 4


def draw(layers, experts, seed=0):
    """Token counts (windows, layers, experts) whose popularity wanders slowly."""
    rng = np.random.default_rng(seed)
    log = rng.normal(0, 0.8, (layers, experts))
    windows = []
    for _ in range(WINDOWS):
        log = log + rng.normal(0, 0.05, log.shape)
        windows.append(rng.poisson(300 * np.exp(log)))
    return np.array(windows, dtype=np.float32)


def greedy(history, num_slots, num_gpus):
    """Replicate the hottest expert, then place copies heaviest first on the least loaded GPU."""
    rows = []
    for load in history[-1]:
        counts = np.ones(len(load), dtype=int)
        for _ in range(num_slots - len(load)):
            counts[np.argmax(load / counts)] += 1
        copies = sorted(((load[e] / counts[e], e) for e in range(len(load)) for _ in range(counts[e])), reverse=True)
        gpus = [(0.0, gpu, []) for gpu in range(num_gpus)]
        full = []
        for weight, expert in copies:
            total, gpu, held = heapq.heappop(gpus)
            held.append(expert)
            target = full if len(held) == num_slots // num_gpus else gpus
            heapq.heappush(target, (total + weight, gpu, held))
        rows.append([expert for _, _, held in sorted(full, key=lambda g: g[1]) for expert in held])
    return np.array(rows, dtype=np.int32)


def balance(slots, load, num_gpus):
    """Mean over layers of mean/max GPU load."""
    values = []
    for row, tokens in zip(slots, load):
        counts = np.bincount(row, minlength=len(tokens))
        gpu = (tokens / counts)[row].reshape(num_gpus, -1).sum(axis=1)
        values.append(gpu.mean() / gpu.max())
    return float(np.mean(values))


def moved(slots, previous, num_gpus):
    """Share of slots whose expert is new on its GPU."""
    new = 0
    for row, old in zip(slots, previous):
        for a, b in zip(row.reshape(num_gpus, -1), old.reshape(num_gpus, -1)):
            size = max(a.max(), b.max()) + 1
            new += np.maximum(np.bincount(a, minlength=size) - np.bincount(b, minlength=size), 0).sum()
    return new / slots.size


def main():
    """Print one line for each shape and planner."""
    print(f"{'shape':>8} {'planner':>8} {'balance':>8} {'moved %':>8} {'ms/plan':>8}")
    for layers, experts, num_slots, num_gpus, num_nodes in SHAPES:
        loads = draw(layers, experts)
        for name in ("MODULE", "greedy"):
            previous, balances, moves, seconds = None, [], [], []
            for window in range(WARM, WINDOWS):
                history = loads[:window]
                started = time.perf_counter()
                if name == "greedy":
                    slots = greedy(history, num_slots, num_gpus)
                else:
                    slots = plan(
                        history=history,
                        previous=previous,
                        num_slots=num_slots,
                        num_gpus=num_gpus,
                        num_nodes=num_nodes,
                    )
                seconds.append(time.perf_counter() - started)
                balances.append(balance(slots, loads[window], num_gpus))
                if previous is not None:
                    moves.append(moved(slots, previous, num_gpus))
                previous = slots
            print(
                f"{layers}x{experts:<5} {name:>8} {np.mean(balances):8.3f} {100 * np.mean(moves):8.1f} "
                f"{1000 * np.median(seconds):8.1f}"
            )


if __name__ == "__main__":
    main()
