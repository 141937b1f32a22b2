"""Replicas of DeepSeek EPLB dealt to GPUs in zig-zag (snake) order of their load; no packing loop.

Source: github.com/deepseek-ai/EPLB for replication; the deal is the one that evolved EPLB programs use
instead of the packing loop (Barbarians at the Gate, arXiv 2510.06189, case study on expert placement): GPUs
0 .. n-1 take the heaviest copies, GPUs n-1 .. 0 the next, and so on.
"""

import numpy as np


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
    """Deal copies, heaviest first, to the GPUs forwards and backwards in turn: experts (layers, slots)."""
    layers, experts = load.shape
    every = np.tile(np.arange(experts), (layers, 1))
    spare = np.repeat(every.ravel(), counts.ravel() - 1).reshape(layers, -1)
    copies = np.concatenate([every, spare], axis=1)
    weight = np.take_along_axis(load / counts, copies, axis=1)
    heaviest_first = np.argsort(-weight, axis=1, kind="stable")
    deal = np.take_along_axis(copies, heaviest_first, axis=1).reshape(layers, -1, num_gpus)
    deal[:, 1::2] = deal[:, 1::2, ::-1].copy()
    return deal.transpose(0, 2, 1).reshape(layers, -1)


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
    return slots.astype(np.int32)
