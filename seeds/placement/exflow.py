"""ExFlow-style: follow the affinity between layers and keep tokens where they are; looks at no load.

Source: Yao et al., Exploiting Inter-Layer Expert Affinity for Accelerating Mixture-of-Experts Model Inference, arXiv
2401.08383, which minimises the hops of tokens between consecutive layers by integer programming, with equally many
experts on every GPU; a hop costs 1 inside a node and 2 between nodes (github.com/YJHMITWEB/ExFlow). Here a chain takes
the integer program's place: each layer is assigned to the one before it, then to both neighbours in turn, the
assignment being greedy, then improved by exchanges.
"""

import numpy as np

SWEEPS = 0  # tune: int 0 4
EXCHANGES = 16  # tune: int 0 256


def closeness(row: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """Hops that a move from each expert to each GPU saves: 2 to the same GPU, 1 within the node (experts, gpus)."""
    gpu = np.arange(num_gpus)
    per_node = num_gpus // num_nodes
    saved: np.ndarray = (row[:, None] == gpu).astype(np.float32)
    saved += row[:, None] // per_node == gpu // per_node
    return saved


def assign(value: np.ndarray, num_gpus: int) -> np.ndarray:
    """Give every expert its best GPU with a free seat, the most valuable first, then exchange: GPUs (experts,)."""
    experts = len(value)
    free = np.full(num_gpus, experts // num_gpus)
    row = np.full(experts, -1)
    while (row < 0).any():
        waiting = np.flatnonzero(row < 0)
        open_value = np.where(free > 0, value[waiting], -np.inf)
        choice = np.argmax(open_value, axis=1)
        best = open_value[np.arange(len(waiting)), choice]
        # A GPU takes as many as it has seats for; the others choose again.
        order = np.lexsort((-best, choice))
        gpu = choice[order]
        turn = np.arange(len(gpu)) - np.searchsorted(gpu, gpu)
        seated = turn < free[gpu]
        row[waiting[order[seated]]] = gpu[seated]
        free -= np.bincount(gpu[seated], minlength=num_gpus)
    return exchange(row, value, num_gpus)


def exchange(row: np.ndarray, value: np.ndarray, num_gpus: int) -> np.ndarray:
    """Let two experts of different GPUs change places, the best exchange first, while that gains."""
    each = np.arange(num_gpus)
    seats = np.argsort(row, kind="stable").reshape(num_gpus, -1)
    for _ in range(EXCHANGES):
        worth = value[seats]
        gain = worth - worth[each, :, each][:, :, None]
        goer = np.argmax(gain, axis=1)  # (from, to)
        best = np.take_along_axis(gain, goer[:, None], axis=1)[:, 0]
        best = best + best.T
        here, there = np.divmod(np.argmax(best), num_gpus)
        if best[here, there] <= 0:
            break
        mine, theirs = (here, goer[here, there]), (there, goer[there, here])
        seats[mine], seats[theirs] = seats[theirs], seats[mine]
    row = np.empty_like(row)
    row[seats] = each[:, None]
    return row


def chain(transitions: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """Assign every layer to the one before it, the first in order: GPU of each expert (layers, experts)."""
    layers, experts = len(transitions) + 1, transitions.shape[1]
    placement = np.empty((layers, experts), dtype=np.int64)
    placement[0] = np.arange(experts) // (experts // num_gpus)
    for layer in range(1, layers):
        value = transitions[layer - 1].T @ closeness(placement[layer - 1], num_gpus, num_nodes)
        placement[layer] = assign(value, num_gpus)
    return placement


def sweep(placement: np.ndarray, transitions: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """Assign every layer once more, to both of its neighbours, keeping what saves no hops."""
    placement = placement.copy()
    rows = np.arange(placement.shape[1])
    for layer in range(len(placement)):
        value = np.zeros((len(rows), num_gpus), dtype=np.float32)
        if layer > 0:
            value += transitions[layer - 1].T @ closeness(placement[layer - 1], num_gpus, num_nodes)
        if layer + 1 < len(placement):
            value += transitions[layer] @ closeness(placement[layer + 1], num_gpus, num_nodes)
        fresh = assign(value, num_gpus)
        if value[rows, fresh].sum() > value[rows, placement[layer]].sum():
            placement[layer] = fresh
    return placement


def place(transitions: np.ndarray, load: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """GPU of every expert for the next period: int32 (layers, experts)."""
    placement = chain(transitions, num_gpus, num_nodes)
    for _ in range(SWEEPS):
        placement = sweep(placement, transitions, num_gpus, num_nodes)
    return placement.astype(np.int32)
