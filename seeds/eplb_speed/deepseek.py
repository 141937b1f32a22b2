"""DeepSeek EPLB as published: loops over layers and copies, each copy to the lightest GPU with room.

Source: github.com/deepseek-ai/EPLB, README sections "Hierarchical Load Balancing" and "Global Load Balancing" (the
prefill and decode policies of DeepSeek-V3, arXiv 2412.19437, section 3.4), in numpy instead of torch. Where the groups
divide by the nodes, whole groups are packed to nodes, spare slots and GPUs are dealt out within each node; otherwise
all experts count as one group on one node, which is the global policy.
"""

import numpy as np


def pack(weight: np.ndarray, num_packs: int) -> np.ndarray:
    """Items pack by pack, (rows, items): heaviest first, each to the lightest pack with room."""
    rows, items = weight.shape
    room = items // num_packs
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    packed = np.empty((rows, num_packs, room), dtype=np.int64)
    for row in range(rows):
        weights = weight[row].tolist()
        sums = [0.0] * num_packs
        held = [0] * num_packs
        for item in heaviest_first[row].tolist():
            lightest = min((p for p in range(num_packs) if held[p] < room), key=lambda p: sums[p])
            packed[row, lightest, held[lightest]] = item
            sums[lightest] += weights[item]
            held[lightest] += 1
    return packed.reshape(rows, items)


def replicate(load: np.ndarray, num_slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Each spare slot to the expert with the highest load per copy: expert and weight of every copy, (rows, slots)."""
    rows, experts = load.shape
    each = np.arange(rows)
    expert_of = np.tile(np.arange(num_slots), (rows, 1))
    counts = np.ones((rows, experts), dtype=np.int64)
    for slot in range(experts, num_slots):
        hottest = np.argmax(load / counts, axis=1)
        expert_of[:, slot] = hottest
        counts[each, hottest] += 1
    return expert_of, np.take_along_axis(load / counts, expert_of, axis=1)


def rebalance(load: np.ndarray, num_slots: int, num_groups: int, num_nodes: int, num_gpus: int) -> np.ndarray:
    """Plan for a load (layers, experts): expert in every slot, int32 (layers, slots); slots are grouped by GPU."""
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = load.shape
    size = experts // num_groups
    load = load.astype(np.float64)
    groups = pack(load.reshape(layers, num_groups, size).sum(axis=2), num_nodes)
    members = (groups[:, :, None] * size + np.arange(size)).reshape(layers, experts)
    # Every node of every layer is a row of its own from here on.
    node_load = np.take_along_axis(load, members, axis=1).reshape(layers * num_nodes, -1)
    members = members.reshape(layers * num_nodes, -1)
    expert_of, weight = replicate(node_load, num_slots // num_nodes)
    copies = pack(weight, num_gpus // num_nodes)
    slots = np.take_along_axis(members, np.take_along_axis(expert_of, copies, axis=1), axis=1)
    return slots.reshape(layers, num_slots).astype(np.int32)
