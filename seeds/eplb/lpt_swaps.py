"""DeepSeek EPLB (global) on the last window, packing refined by exchanging pairs of copies.

Source: github.com/deepseek-ai/EPLB for replication and for LPT packing (Graham, SIAM J. Appl. Math. 17,
1969); the refinement is pairwise interchange, the classical local search for the makespan. Each round makes,
in every layer, the one exchange between the most loaded GPU and its PARTNERS lightest ones that leaves the
heavier of the two GPUs lightest, and a layer is done when no exchange saves enough.
"""

import numpy as np

SWAP_ROUNDS = 16  # tune: int 1 32
PARTNERS = 4  # tune: int 1 8
# An exchange must save this share of the most loaded GPU's load.
MIN_SAVING = 0.001  # tune: float 1e-4 0.03 log


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


def refine(slots: np.ndarray, load: np.ndarray, num_gpus: int) -> np.ndarray:
    """Exchange copies of the most loaded GPU with lighter ones elsewhere: experts (layers, slots)."""
    layers, num_slots = slots.shape
    slots_per_gpu = num_slots // num_gpus
    slots = slots.copy()
    keys = np.arange(layers)[:, None] * load.shape[1] + slots
    counts = np.bincount(keys.ravel(), minlength=load.size).reshape(load.shape)
    weight = np.take_along_axis(load / counts, slots, axis=1)
    live = np.arange(layers)
    for _ in range(SWAP_ROUNDS):
        each = np.arange(len(live))
        gpu_load = weight[live].reshape(len(live), num_gpus, slots_per_gpu).sum(axis=2)
        peak = gpu_load.max(axis=1)
        top = np.argmax(gpu_load, axis=1)
        partner = np.argsort(gpu_load, axis=1, kind="stable")[:, :PARTNERS]
        mine = top[:, None] * slots_per_gpu + np.arange(slots_per_gpu)
        theirs = (partner[:, :, None] * slots_per_gpu + np.arange(slots_per_gpu)).reshape(len(live), -1)
        # relief[l, i, j] leaves the top GPU when slots mine[l, i] and theirs[l, j] change contents;
        # the heavier of the two GPUs then lies saving[l, i, j] below the peak.
        relief = weight[live[:, None], mine][:, :, None] - weight[live[:, None], theirs][:, None, :]
        gap = peak[:, None] - gpu_load[each[:, None], theirs // slots_per_gpu]
        saving = np.minimum(relief, gap[:, None, :] - relief).reshape(len(live), -1)
        i, j = np.divmod(np.argmax(saving, axis=1), theirs.shape[1])
        better = saving.max(axis=1) > MIN_SAVING * peak
        if not better.any():
            break
        live, mine, theirs = live[better], mine[each, i][better], theirs[each, j][better]
        for values in (slots, weight):
            values[live, mine], values[live, theirs] = values[live, theirs], values[live, mine]
    return slots


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
    slots = refine(slots, load, num_gpus)
    return slots.astype(np.int32)
