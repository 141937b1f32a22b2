# EVOLVE-BLOCK-START
"""DeepSeek's global balancer on a forecast of the next window, replanned in every layer whose balance is below KEEP.

With these constants it forecasts the last window, packs from nothing and keeps no layer, as
github.com/deepseek-ai/EPLB does.
"""

import numpy as np

NEWEST = 1.0  # tune: float 0.0 1.0
RECENT = 4  # tune: int 1 16
TREND = 0.0  # tune: float -0.5 1.0
HEDGE = 0.0  # tune: float 0.0 2.0
POWER = 1.0  # tune: float 0.5 1.5
STICK = 0.0  # tune: float 0.0 4.0
KEEP = 1.05  # tune: float 0.7 1.05


def forecast(history):
    """Blend the last window with the mean of recent ones, go on with the trend, and add for what varies.

    Returns tokens (layers, experts).
    """
    windows = np.asarray(history[-RECENT:], dtype=np.float64)
    load = NEWEST * windows[-1] + (1.0 - NEWEST) * windows.mean(axis=0)
    load = load + TREND * (windows[-1] - windows.mean(axis=0)) + HEDGE * windows.std(axis=0)
    return np.maximum(load, 1.0)


def replicate(load, num_slots):
    """Give each spare slot to the expert with the highest load per copy: copies (layers, experts)."""
    layers, experts = load.shape
    rows = np.arange(layers)
    weight = load**POWER
    counts = np.ones((layers, experts), dtype=np.int64)
    per_copy = weight.copy()
    for _ in range(num_slots - experts):
        hottest = np.argmax(per_copy, axis=1)
        counts[rows, hottest] += 1
        per_copy[rows, hottest] = weight[rows, hottest] / counts[rows, hottest]
    return counts


def residents(previous, experts, num_gpus):
    """Which GPUs held each expert: bool (layers, experts, gpus)."""
    layers, slots = previous.shape
    held = np.zeros((layers, experts, num_gpus), dtype=bool)
    gpu = np.arange(slots) // (slots // num_gpus)
    held[np.arange(layers)[:, None], previous, gpu[None]] = True
    return held


def pack(load, counts, num_gpus, previous):
    """Put copies, heaviest first, on the least loaded GPU with a free slot: experts (layers, slots).

    A GPU that held the expert looks lighter by STICK mean copies.
    """
    layers, experts = load.shape
    every = np.tile(np.arange(experts), (layers, 1))
    spare = np.repeat(every.ravel(), counts.ravel() - 1).reshape(layers, -1)
    copies = np.concatenate([every, spare], axis=1)
    weight = np.take_along_axis(load / counts, copies, axis=1)
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    copies = np.take_along_axis(copies, heaviest_first, axis=1)
    weight = np.take_along_axis(weight, heaviest_first, axis=1)

    slots_per_gpu = copies.shape[1] // num_gpus
    first_gpu = np.arange(layers) * num_gpus
    next_slot = np.arange(layers * num_gpus) * slots_per_gpu
    gpu_load = np.zeros(layers * num_gpus)
    rows = np.arange(layers)
    bonus = np.zeros((layers, experts, num_gpus))
    if previous is not None:
        bonus = STICK * weight.mean(axis=1)[:, None, None] * residents(previous, experts, num_gpus)
    slots = np.empty(copies.size, dtype=np.int64)
    for rank in range(copies.shape[1]):
        wanted = bonus[rows, copies[:, rank]]
        gpu = first_gpu + np.argmin(gpu_load.reshape(layers, num_gpus) - wanted, axis=1)
        slot = next_slot[gpu]
        slots[slot] = copies[:, rank]
        next_slot[gpu] = slot + 1
        # A full GPU looks infinitely loaded, so that it is not chosen again.
        gpu_load[gpu] += np.where((slot + 1) % slots_per_gpu, weight[:, rank], np.inf)
    return slots.reshape(layers, -1)


def keep(slots, previous, load, num_gpus):
    """Leave the layers as they were whose mean over maximal GPU load would still be at least KEEP."""
    if previous is None:
        return slots
    layers, experts = load.shape
    rows = np.arange(layers)[:, None]
    counts = np.zeros((layers, experts))
    np.add.at(counts, (rows, previous), 1.0)
    per_gpu = (load / counts)[rows, previous].reshape(layers, num_gpus, -1).sum(axis=2)
    balance = per_gpu.mean(axis=1) / per_gpu.max(axis=1)
    return np.where((balance >= KEEP)[:, None], previous, slots)


def plan(history, previous, num_slots, num_gpus, num_nodes):
    """Plan the next window: expert in every slot, int32 (layers, slots); slots are grouped by GPU."""
    load = forecast(history)
    counts = replicate(load, num_slots)
    slots = pack(load, counts, num_gpus, previous)
    return keep(slots, previous, load, num_gpus).astype(np.int32)


# EVOLVE-BLOCK-END
