"""DeepSeek EPLB with all layers and nodes at once: one step places the next copy of every row, as SGLang vectorises.

Source: the algorithm is that of github.com/deepseek-ai/EPLB; planning as a batch over layers and nodes is that of
SGLang's eplb_algorithms/deepseek_vec.py. SGLang then deals sorted copies out in zig-zag, which costs balance and is
refused here; the exact greedy packing is kept instead, one numpy step for each rank.
"""

import numpy as np


def pack(weight: np.ndarray, num_packs: int) -> np.ndarray:
    """Items pack by pack, (rows, items): heaviest first, each to the lightest pack with room."""
    rows, items = weight.shape
    room = items // num_packs
    each = np.arange(rows)
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    sums = np.zeros((rows, num_packs))
    held = np.zeros((rows, num_packs), dtype=np.int64)
    packed = np.empty((rows, num_packs, room), dtype=np.int64)
    for rank in range(items):
        item = heaviest_first[:, rank]
        lightest = np.argmin(sums, axis=1)
        place = held[each, lightest]
        packed[each, lightest, place] = item
        held[each, lightest] = place + 1
        # A full pack looks infinitely heavy, so that it is not chosen again.
        sums[each, lightest] += np.where(place + 1 < room, weight[each, item], np.inf)
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
