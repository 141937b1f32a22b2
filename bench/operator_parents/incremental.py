"""Incremental planner as language models write it: trend forecast, heap allocation, keep-where-possible placement.

The shape of published evolved balancers (Barbarians at the Gate, arXiv 2510.06189), with names of its own.
"""

import heapq

import numpy as np

ALPHA = 0.6
TREND_WEIGHT = 0.3
MAX_SWAPS = 4


def predict_loads(history: np.ndarray) -> np.ndarray:
    smoothed = history[0].astype(np.float64)
    for t in range(1, history.shape[0]):
        smoothed = ALPHA * history[t] + (1 - ALPHA) * smoothed
    if history.shape[0] >= 2:
        trend = history[-1] - history[-2]
        smoothed = smoothed + TREND_WEIGHT * trend
    return np.maximum(smoothed, 1e-6)


def allocate_copies(expert_load, total_slots):
    num_layers, num_experts = expert_load.shape
    copies = np.ones((num_layers, num_experts), dtype=np.int64)
    for layer in range(num_layers):
        heap = [(-expert_load[layer, e], e) for e in range(num_experts)]
        heapq.heapify(heap)
        for _ in range(total_slots - num_experts):
            _, e = heapq.heappop(heap)
            copies[layer, e] += 1
            heapq.heappush(heap, (-expert_load[layer, e] / copies[layer, e], e))
    return copies


def place_copies(expert_load, copies, n_gpus):
    num_layers, num_experts = copies.shape
    total_slots = int(copies[0].sum())
    capacity = total_slots // n_gpus
    placement = np.zeros((num_layers, total_slots), dtype=np.int64)
    for layer in range(num_layers):
        items = np.repeat(np.arange(num_experts), copies[layer])
        weights = expert_load[layer, items] / copies[layer, items]
        order = np.argsort(-weights)
        gpu_load = np.zeros(n_gpus)
        gpu_fill = np.zeros(n_gpus, dtype=np.int64)
        for idx in order:
            masked = np.where(gpu_fill < capacity, gpu_load, np.inf)
            gpu = int(np.argmin(masked))
            placement[layer, gpu * capacity + gpu_fill[gpu]] = items[idx]
            gpu_load[gpu] += weights[idx]
            gpu_fill[gpu] += 1
    return placement


def improve_placement(placement, expert_load, n_gpus):
    """Swap single copies between the most and the least loaded GPU while that lowers the peak."""
    result = placement.copy()
    num_layers, total_slots = result.shape
    capacity = total_slots // n_gpus
    for layer in range(num_layers):
        copies = np.bincount(result[layer], minlength=expert_load.shape[1])
        weights = expert_load[layer] / np.maximum(copies, 1)
        for _ in range(MAX_SWAPS):
            slot_weights = weights[result[layer]].reshape(n_gpus, capacity)
            gpu_load = slot_weights.sum(axis=1)
            hot, cold = int(np.argmax(gpu_load)), int(np.argmin(gpu_load))
            gap = gpu_load[hot] - gpu_load[cold]
            gain = slot_weights[hot][:, None] - slot_weights[cold][None, :]
            score = np.where((gain > 0) & (gain < gap), np.minimum(gain, gap - gain), -1.0)
            a, b = np.unravel_index(np.argmax(score), score.shape)
            if score[a, b] <= 0.01 * gap:
                break
            first, second = hot * capacity + a, cold * capacity + b
            result[layer, first], result[layer, second] = result[layer, second], result[layer, first]
    return result


def plan(history, previous, num_slots, num_gpus, num_nodes):
    expert_load = predict_loads(history)
    if previous is None:
        copies = allocate_copies(expert_load, num_slots)
        placement = place_copies(expert_load, copies, num_gpus)
    else:
        placement = previous.astype(np.int64)
    placement = improve_placement(placement, expert_load, num_gpus)
    return placement.astype(np.int32)
