"""DeepSeek EPLB (global) on the last window, GPUs relabelled so that as many copies as possible stay put.

Source: github.com/deepseek-ai/EPLB for replication and packing; which new GPU takes the place of which old
GPU is an assignment problem (Kuhn, Naval Research Logistics Quarterly 2, 1955), solved exactly by shortest
augmenting paths (Jonker and Volgenant, Computing 38, 1987). Same balance as the global policy, fewer moves.
"""

import numpy as np


def forecast(history: np.ndarray) -> np.ndarray:
    """Expect the last window to repeat: tokens (layers, experts)."""
    return np.asarray(history[-1], dtype=np.float64)


def replicate(load: np.ndarray, num_slots: int) -> np.ndarray:
    """Give each spare slot to the expert with the highest load per copy: copies (layers, experts)."""
    layers, experts = load.shape
    rows = np.arange(layers)
    counts = np.ones((layers, experts), dtype=np.int64)
    per_copy = load.copy()
    for _ in range(num_slots - experts):
        hottest = np.argmax(per_copy, axis=1)
        counts[rows, hottest] += 1
        per_copy[rows, hottest] = load[rows, hottest] / counts[rows, hottest]
    return counts


def pack(load: np.ndarray, counts: np.ndarray, num_gpus: int) -> np.ndarray:
    """Put copies, heaviest first, on the least loaded GPU with a free slot: experts (layers, slots)."""
    layers, experts = load.shape
    every = np.tile(np.arange(experts), (layers, 1))
    spare = np.repeat(every.ravel(), counts.ravel() - 1).reshape(layers, -1)
    copies = np.concatenate([every, spare], axis=1)
    weight = np.take_along_axis(load / counts, copies, axis=1)
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    copies = np.take_along_axis(copies, heaviest_first, axis=1)
    weight = np.take_along_axis(weight, heaviest_first, axis=1)

    # The GPUs of all layers are numbered through, and so are their slots.
    slots_per_gpu = copies.shape[1] // num_gpus
    first_gpu = np.arange(layers) * num_gpus
    next_slot = np.arange(layers * num_gpus) * slots_per_gpu
    gpu_load = np.zeros(layers * num_gpus)
    slots = np.empty(copies.size, dtype=np.int64)
    for rank in range(copies.shape[1]):
        gpu = first_gpu + np.argmin(gpu_load.reshape(layers, num_gpus), axis=1)
        slot = next_slot[gpu]
        slots[slot] = copies[:, rank]
        next_slot[gpu] = slot + 1
        # A full GPU looks infinitely loaded, so that it is not chosen again.
        gpu_load[gpu] += np.where((slot + 1) % slots_per_gpu, weight[:, rank], np.inf)
    return slots.reshape(layers, -1)


def settle(slots: np.ndarray, previous: np.ndarray | None, num_gpus: int) -> np.ndarray:
    """Relabel the GPUs of each layer so that as many copies as possible stay put: experts (layers, slots)."""
    if previous is None:
        return slots
    layers, num_slots = slots.shape
    kept = shared_copies(slots, previous, num_gpus)
    label = assign(kept)
    by_gpu = slots.reshape(layers, num_gpus, num_slots // num_gpus)
    source = np.argsort(label, axis=1)
    return np.take_along_axis(by_gpu, source[:, :, None], axis=1).reshape(layers, num_slots)


def shared_copies(slots: np.ndarray, previous: np.ndarray, num_gpus: int) -> np.ndarray:
    """Count the copies that new GPU g has in common with old GPU h: float64 (layers, g, h)."""
    layers, num_slots = slots.shape
    experts = int(slots.max()) + 1
    row = np.arange(layers * num_gpus).repeat(num_slots // num_gpus) * experts
    shape = (layers, num_gpus, experts)
    new, old = (
        np.bincount(row + plan.ravel(), minlength=layers * num_gpus * experts).reshape(shape)
        for plan in (slots, previous)
    )
    shared = np.zeros((layers, num_gpus, num_gpus))
    # min(a, b) is the number of levels m >= 1 that both a and b reach: one matrix product per level.
    highest = np.minimum(new.max(axis=1), old.max(axis=1)).max(axis=1)
    for level in range(1, int(highest.max()) + 1):
        layer = np.flatnonzero(highest >= level)
        ours = (new[layer] >= level).astype(np.float32)
        theirs = (old[layer] >= level).astype(np.float32)
        shared[layer] += ours @ theirs.transpose(0, 2, 1)
    return shared


def assign(value: np.ndarray) -> np.ndarray:
    """Match rows to columns at the highest total value: column of each row (batch, n).

    Exact, for a batch of n x n matrices. Prices start at the cheapest edges, rows take
    what is free at that price, then every row left over is matched along its shortest augmenting path
    (Dijkstra's method on reduced costs). All matrices advance in step.
    """
    batch, n, _ = value.shape
    cost = value.max() - value
    row_price = cost.min(axis=2)
    column_price = (cost - row_price[:, :, None]).min(axis=1)
    column_of = np.full((batch, n), -1)
    row_of = np.full((batch, n), -1)
    layer = np.arange(batch)
    for row in range(n):
        tight = (cost[:, row] == row_price[:, row, None] + column_price) & (row_of < 0)
        column = np.argmax(tight, axis=1)
        hit = np.flatnonzero(tight[layer, column])
        column_of[hit, row] = column[hit]
        row_of[hit, column[hit]] = row

    unmatched = (column_of < 0).sum(axis=1)
    left_over = np.argsort(column_of >= 0, axis=1, kind="stable")
    for turn in range(unmatched.max()):
        live = np.flatnonzero(unmatched > turn)
        augment(cost, row_price, column_price, column_of, row_of, live, left_over[live, turn])
    return column_of


def augment(
    cost: np.ndarray,
    row_price: np.ndarray,
    column_price: np.ndarray,
    column_of: np.ndarray,
    row_of: np.ndarray,
    live: np.ndarray,
    start: np.ndarray,
) -> None:
    """Match row `start` of every matrix `live` along its shortest augmenting path; changes all but cost."""
    each = np.arange(len(live))
    price = column_price[live]
    distance = np.full(price.shape, np.inf)
    parent = np.zeros(price.shape, dtype=np.int64)
    done = np.zeros(price.shape, dtype=bool)
    row, reach, goal = start, np.zeros(len(live)), np.full(len(live), -1)
    while (goal < 0).any():
        step = (reach - row_price[live, row])[:, None] + cost[live, row] - price
        closer = (step < distance) & ~done
        distance = np.where(closer, step, distance)
        parent = np.where(closer, row[:, None], parent)
        column = np.argmin(np.where(done, np.inf, distance), axis=1)
        done[each, column] = True
        row = row_of[live, column]
        goal = np.where((goal < 0) & (row < 0), column, goal)
        # Where the goal is found, nothing is within reach any more.
        reach = np.where(goal < 0, distance[each, column], np.inf)

    # New prices keep every reduced cost >= 0 and make the path's edges free.
    reach = distance[each, goal]
    saved = np.maximum(reach[:, None] - distance, 0)
    matched = column_of[live]
    row_price[live] += np.where(matched >= 0, np.take_along_axis(saved, matched, axis=1), 0)
    row_price[live, start] += reach
    column_price[live] -= saved

    while live.size:
        row = parent[each, goal]
        freed = column_of[live, row]
        column_of[live, row] = goal
        row_of[live, goal] = row
        onward = freed >= 0
        each, live, goal = each[onward], live[onward], freed[onward]


def plan(
    history: np.ndarray,
    previous: np.ndarray | None,
    num_slots: int,
    num_gpus: int,
    num_nodes: int,
) -> np.ndarray:
    """Plan the next window: expert in every slot, int32 (layers, slots); slots are grouped by GPU."""
    load = forecast(history)
    counts = replicate(load, num_slots)
    slots = pack(load, counts, num_gpus)
    slots = settle(slots, previous, num_gpus)
    return slots.astype(np.int32)
