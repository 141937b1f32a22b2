"""MoETuner-style, in two stages: clusters of equal load in each layer, then clusters to GPUs by affinity.

Source: Go and Mahajan, MoETuner: Optimized Mixture of Expert Serving with Balanced Expert Placement and Token Routing,
arXiv 2502.06643, which solves two integer programs: experts to clusters by token load, then clusters to GPUs by the
tokens routed between them. Here LPT packing stands for the first. For the second the layers are gone through in order,
and each layer's clusters are assigned to GPUs greedily and by exchanges of two clusters.
"""

import numpy as np

# What a token's move costs to another GPU of the node, and how much more to another node (see the statement).
ALPHA = 0.4
BETA = 0.9
EXCHANGES = 64  # tune: int 1 256 log


def clusters_of(load: np.ndarray, num_gpus: int) -> np.ndarray:
    """Put experts, heaviest first, into the lightest cluster with a free seat: cluster of each (layers, experts)."""
    layers, experts = load.shape
    rows = np.arange(layers)
    order = np.argsort(-load, axis=1, kind="stable")
    cluster_load = np.zeros((layers, num_gpus))
    free = np.full((layers, num_gpus), experts // num_gpus)
    clusters = np.empty((layers, experts), dtype=np.int64)
    for rank in range(experts):
        expert = order[:, rank]
        cluster = np.argmin(np.where(free > 0, cluster_load, np.inf), axis=1)
        clusters[rows, expert] = cluster
        cluster_load[rows, cluster] += load[rows, expert]
        free[rows, cluster] -= 1
    return clusters


def closeness(num_gpus: int, num_nodes: int) -> np.ndarray:
    """What a move between two GPUs saves, beside one to another node (gpus, gpus)."""
    node = np.arange(num_gpus) // (num_gpus // num_nodes)
    saved: np.ndarray = ALPHA * np.eye(num_gpus) + BETA * (node[:, None] == node)
    return saved


def assign(value: np.ndarray) -> np.ndarray:
    """Give every cluster a GPU of its own, the most valuable pair first, then exchange: GPU of each cluster."""
    size = len(value)
    gpu_of = np.empty(size, dtype=np.int64)
    left = value.astype(np.float64)
    for _ in range(size):
        cluster, gpu = np.divmod(np.argmax(left), size)
        gpu_of[cluster] = gpu
        left[cluster] = left[:, gpu] = -np.inf
    for _ in range(EXCHANGES):
        across = value[:, gpu_of]
        own = np.diag(across)
        gain = across + across.T - own[:, None] - own
        first, second = np.divmod(np.argmax(gain), size)
        if gain[first, second] <= 1e-9 * abs(own).sum():
            break
        gpu_of[first], gpu_of[second] = gpu_of[second], gpu_of[first]
    return gpu_of


def place(transitions: np.ndarray, load: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """GPU of every expert for the next period: int32 (layers, experts)."""
    placement = clusters_of(load, num_gpus)
    near = closeness(num_gpus, num_nodes)
    each = np.arange(num_gpus)
    for layer in range(1, len(placement)):
        before = (placement[layer - 1][:, None] == each).astype(np.float32)
        now = (placement[layer][:, None] == each).astype(np.float32)
        flow = now.T @ (transitions[layer - 1].T @ before)  # tokens from each GPU to each cluster, (clusters, gpus)
        placement[layer] = assign(flow @ near)[placement[layer]]
    return placement.astype(np.int32)
