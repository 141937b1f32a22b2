"""DeepSeek EPLB, hierarchical policy: expert groups to nodes, then copies and GPUs within each node.

Source: github.com/deepseek-ai/EPLB, README section "Hierarchical Load Balancing" (the prefill policy of
DeepSeek-V3, arXiv 2412.19437, section 3.4). Groups of consecutive experts are packed to nodes, so that
group-limited routing stays inside a node; hot experts are replicated and copies packed within the node.
Plans for the last window; becomes the global policy where groups, slots or GPUs do not divide by nodes.
"""

import numpy as np

# DeepSeek-V3 routes over 8 groups of 32 experts each (arXiv 2412.19437, section 4.2).
EXPERTS_PER_GROUP = 32


def forecast(history: np.ndarray) -> np.ndarray:
    """Expect the last window to repeat: tokens (layers, experts)."""
    return np.asarray(history[-1], dtype=np.float64)


def split_nodes(load: np.ndarray, num_slots: int, num_gpus: int, num_nodes: int) -> np.ndarray:
    """Deal whole expert groups to nodes of equal load: expert ids (layers, nodes, experts per node).

    One node takes everything, which is the global policy, where groups, slots or GPUs do not divide.
    """
    layers, experts = load.shape
    if experts % (EXPERTS_PER_GROUP * num_nodes) or num_slots % num_nodes or num_gpus % num_nodes:
        return np.tile(np.arange(experts), (layers, 1, 1))
    group_load = load.reshape(layers, -1, EXPERTS_PER_GROUP).sum(axis=2)
    groups = pack(group_load, np.ones(group_load.shape, dtype=np.int64), num_nodes)
    members = groups[:, :, None] * EXPERTS_PER_GROUP + np.arange(EXPERTS_PER_GROUP)
    return members.reshape(layers, num_nodes, -1)


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


def stay(slots: np.ndarray, previous: np.ndarray | None, num_gpus: int) -> np.ndarray:
    """Rename GPUs so that each keeps as many of its old experts as possible: experts (layers, slots)."""
    if previous is None or previous.shape != slots.shape:
        return slots
    layers = len(slots)
    new = slots.reshape(layers, num_gpus, -1)
    old = previous.reshape(layers, num_gpus, -1)
    same = (new[:, :, None, :, None] == old[:, None, :, None, :]).any(axis=4).sum(axis=3)
    result = np.empty_like(new)
    for layer in range(layers):
        overlap = same[layer].astype(np.float64)
        for _ in range(num_gpus):
            source, target = np.unravel_index(np.argmax(overlap), overlap.shape)
            result[layer, target] = new[layer, source]
            overlap[source, :] = -1.0
            overlap[:, target] = -1.0
    return result.reshape(layers, -1)


def plan(
    history: np.ndarray,
    previous: np.ndarray | None,
    num_slots: int,
    num_gpus: int,
    num_nodes: int,
) -> np.ndarray:
    """Plan the next window: expert in every slot, int32 (layers, slots); slots are grouped by GPU."""
    load = forecast(history)
    layers, experts = load.shape
    members = split_nodes(load, num_slots, num_gpus, num_nodes)
    nodes = members.shape[1]
    # Every node of every layer is a layer of its own to `replicate` and `pack`.
    members = members.reshape(layers * nodes, experts // nodes)
    node_load = np.take_along_axis(load.repeat(nodes, axis=0), members, axis=1)
    counts = replicate(node_load, num_slots // nodes)
    slots = pack(node_load, counts, num_gpus // nodes)
    slots = np.take_along_axis(members, slots, axis=1).reshape(layers, num_slots)
    slots = stay(slots, previous, num_gpus // nodes * nodes)
    return slots.astype(np.int32)
