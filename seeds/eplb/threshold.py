"""DeepSeek EPLB (global) on the last window, replanning only the layers whose balance has fallen below a threshold.

Source: github.com/deepseek-ai/EPLB for the plan; SGLang's expert-parallel load balancer for the rule (its option
eplb-min-rebalancing-utilization-threshold skips a rebalance while the GPUs' mean utilisation is high enough). SGLang
decides once for the whole model; here every layer decides for itself.
"""

import numpy as np

# A layer whose mean/max GPU load reaches this under the old plan keeps it.
THRESHOLD = 0.85  # tune: float 0.5 0.98


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


def keep(slots: np.ndarray, previous: np.ndarray | None, load: np.ndarray, num_gpus: int) -> np.ndarray:
    """Keep the previous plan in layers that it still balances well enough: experts (layers, slots)."""
    if previous is None:
        return slots
    layers = len(load)
    keys = np.arange(layers)[:, None] * load.shape[1] + previous
    counts = np.bincount(keys.ravel(), minlength=load.size).reshape(load.shape)
    weight = np.take_along_axis(load / counts, previous, axis=1)
    gpu_load = weight.reshape(layers, num_gpus, -1).sum(axis=2)
    balanced = gpu_load.mean(axis=1) >= THRESHOLD * gpu_load.max(axis=1)
    return np.where(balanced[:, None], previous, slots)


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
    slots = keep(slots, previous, load, num_gpus)
    return slots.astype(np.int32)
