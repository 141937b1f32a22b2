"""The judge's own DeepSeek planner: what a plan's balance is held against, at the cost of a few milliseconds.

The algorithm of github.com/deepseek-ai/EPLB (README, "The Algorithm"), all rows at once: groups of experts are
packed to nodes, within each node spare slots go to the expert with the highest load per copy, and copies are packed
to the node's GPUs. Packing takes items heaviest first, each to the lightest pack with room. The baseline seed is the
same algorithm item by item; ties are broken alike, to the lower index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.eplb.measures import Loads, Plan
from evaluators.eplb_speed.shapes import Shape

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


def deepseek_plan(load: Loads, shape: Shape) -> Plan:
    """Plan for a load ``(layers, experts)``: expert in every slot, int32 ``(layers, num_slots)``.

    Hierarchical where the groups divide by the nodes, else global, which is one group on one node.
    """
    layers, experts = load.shape
    divides = shape.num_groups % shape.num_nodes == 0
    nodes, groups = (shape.num_nodes, shape.num_groups) if divides else (1, 1)
    exact = load.astype(np.float64)
    by_node = _pack(exact.reshape(layers, groups, -1).sum(axis=2), nodes)
    members = by_node[:, :, None] * (experts // groups) + np.arange(experts // groups)
    # Every node of every layer is a row of its own from here on.
    members = members.reshape(layers * nodes, -1)
    held = np.take_along_axis(exact.repeat(nodes, axis=0), members, axis=1)
    copies, weight = _replicate(held, shape.num_slots // nodes)
    order = _pack(weight, shape.num_gpus // nodes)
    slots = np.take_along_axis(members, np.take_along_axis(copies, order, axis=1), axis=1)
    return slots.reshape(layers, shape.num_slots).astype(np.int32)


def _replicate(load: Values, num_slots: int) -> tuple[Ids, Values]:
    """Each spare slot to the expert with the highest load per copy: expert and weight of every copy, (rows, slots)."""
    count, experts = load.shape
    rows = np.arange(count)
    expert = np.tile(np.arange(num_slots), (count, 1))
    counts = np.ones_like(load)
    per_copy = load.copy()
    for slot in range(experts, num_slots):
        hottest = per_copy.argmax(axis=1)
        expert[:, slot] = hottest
        counts[rows, hottest] += 1
        per_copy[rows, hottest] = load[rows, hottest] / counts[rows, hottest]
    return expert, np.take_along_axis(per_copy, expert, axis=1)


def _pack(weight: Values, packs: int) -> Ids:
    """Items pack by pack, ``(rows, items)``: heaviest first, each to the lightest pack that has room."""
    count, items = weight.shape
    room = items // packs
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    # One rank of all rows after the other. Packs of all rows are numbered through, and so are their places.
    ranked = np.ascontiguousarray(heaviest_first.T)
    heavy = np.ascontiguousarray(np.take_along_axis(weight, heaviest_first, axis=1).T)
    sums = np.zeros((count, packs))
    flat = sums.reshape(-1)
    first_pack = np.arange(count) * packs
    held = np.zeros(count * packs, dtype=np.int64)
    packed = np.empty(count * items, dtype=np.int64)
    for item, load in zip(ranked, heavy, strict=True):
        pack = sums.argmin(axis=1) + first_pack
        place = held[pack]
        packed[pack * room + place] = item
        held[pack] = place + 1
        # A full pack looks infinitely heavy, so that it is not chosen again.
        flat[pack] += np.where(place + 1 < room, load, np.inf)
    return packed.reshape(count, items)
