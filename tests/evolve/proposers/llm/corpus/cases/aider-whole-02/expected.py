"""Proportional replication and snake packing, smoothed over the last windows."""

import numpy as np

ALPHA = 0.6


def smooth(history):
    """Exponential mean of the windows, newest heaviest: (layers, experts)."""
    windows = np.asarray(history, dtype=np.float64)
    estimate = windows[0]
    for window in windows[1:]:
        estimate = ALPHA * window + (1.0 - ALPHA) * estimate
    return estimate + 1e-9


def copies(load, num_slots):
    """Copies of every expert, at least one each: (layers, experts)."""
    layers, experts = load.shape
    counts = np.ones((layers, experts), dtype=np.int64)
    rows = np.arange(layers)
    for _ in range(num_slots - experts):
        counts[rows, np.argmax(load / counts, axis=1)] += 1
    return counts


def plan(history, previous, num_slots, num_gpus, num_nodes):
    """Deal the copies, heaviest first, to the GPUs in a snake: int32 (layers, slots)."""
    load = smooth(history)
    layers, experts = load.shape
    counts = copies(load, num_slots)
    slots = np.empty((layers, num_slots), dtype=np.int32)
    per_gpu = num_slots // num_gpus
    for layer in range(layers):
        ids = np.repeat(np.arange(experts), counts[layer])
        weight = (load[layer] / counts[layer])[ids]
        ids = ids[np.argsort(-weight, kind="stable")].reshape(per_gpu, num_gpus)
        ids[1::2] = ids[1::2, ::-1]
        slots[layer] = ids.T.ravel()
    return slots
