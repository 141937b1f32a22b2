"""Longest processing time first within each layer, by load alone; looks at no transition.

Source: Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969, with equally many experts
on every GPU, as in DeepSeek EPLB's balanced packing (github.com/deepseek-ai/EPLB).
"""

import numpy as np


def balanced(load: np.ndarray, num_gpus: int) -> np.ndarray:
    """Put experts, heaviest first, on the least loaded GPU with a free seat: GPU of each expert (layers, experts)."""
    layers, experts = load.shape
    rows = np.arange(layers)
    order = np.argsort(-load, axis=1, kind="stable")
    gpu_load = np.zeros((layers, num_gpus))
    free = np.full((layers, num_gpus), experts // num_gpus)
    placement = np.empty((layers, experts), dtype=np.int64)
    for rank in range(experts):
        expert = order[:, rank]
        gpu = np.argmin(np.where(free > 0, gpu_load, np.inf), axis=1)
        placement[rows, expert] = gpu
        gpu_load[rows, gpu] += load[rows, expert]
        free[rows, gpu] -= 1
    return placement


def place(transitions: np.ndarray, load: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """GPU of every expert for the next period: int32 (layers, experts)."""
    return balanced(load, num_gpus).astype(np.int32)
