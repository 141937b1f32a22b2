"""DeepSeek EPLB with a heap of GPUs for every layer, the rest in whole arrays, as vLLM plans.

Source: the algorithm is that of github.com/deepseek-ai/EPLB; the division of labour that of vLLM's default policy
(vllm/distributed/eplb/policy/default.py): replication and bookkeeping over all layers at once, packing layer by layer
with plain Python numbers. The lightest GPU comes from a binary heap (Graham's LPT rule needs no more; SIAM J. Appl.
Math. 17, 1969), and a full one does not go back.
"""

import heapq

import numpy as np


def pack(weight: np.ndarray, num_packs: int) -> np.ndarray:
    """Items pack by pack, (rows, items): heaviest first, each to the lightest pack with room."""
    rows, items = weight.shape
    room = items // num_packs
    if num_packs == 1:
        return np.argsort(-weight, axis=1, kind="stable")
    packed = np.empty((rows, items), dtype=np.int64)
    orders = np.argsort(-weight, axis=1, kind="stable").tolist()
    for row, (order, weights) in enumerate(zip(orders, weight.tolist(), strict=True)):
        places = [0] * items
        heap = [(0.0, number, 0) for number in range(num_packs)]
        for item in order:
            total, number, held = heap[0]
            places[number * room + held] = item
            if held + 1 < room:
                heapq.heapreplace(heap, (total + weights[item], number, held + 1))
            else:
                heapq.heappop(heap)
        packed[row] = places
    return packed


def replicate(load: np.ndarray, num_slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Each spare slot to the expert with the highest load per copy: expert and weight of every copy, (rows, slots)."""
    rows, experts = load.shape
    each = np.arange(rows)
    expert_of = np.tile(np.arange(num_slots), (rows, 1))
    counts = np.ones((rows, experts), dtype=np.int64)
    per_copy = load.copy()
    for slot in range(experts, num_slots):
        hottest = np.argmax(per_copy, axis=1)
        expert_of[:, slot] = hottest
        counts[each, hottest] += 1
        per_copy[each, hottest] = load[each, hottest] / counts[each, hottest]
    return expert_of, np.take_along_axis(per_copy, expert_of, axis=1)


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
