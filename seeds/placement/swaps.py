"""LPT, then exchanges of two experts that lower the cost of moves and the unevenness of loads together.

Source: pairwise interchange, the classical local search for quadratic assignment and graph partitioning (Kernighan and
Lin, Bell System Technical Journal 49, 1970). Neighbouring layers are held while every second layer is improved at once.
The maximum of the loads moves only with the busiest GPU, so exchanges are guided by the loads' squares instead.
"""

import numpy as np

# What a token's move costs to another GPU of the node, and how much more to another node (see the statement).
ALPHA = 0.4
BETA = 0.9
# Weight of the squared deviations of GPU loads from their mean.
PENALTY = 0.3  # tune: float 0.01 3 log
SWEEPS = 2  # tune: int 1 8
STEPS = 8  # tune: int 1 40
# Exchanges in a layer and step; no GPU takes part in two.
PAIRS = 4  # tune: int 1 8
LEAST_GAIN = 1e-7


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


def pull(placement: np.ndarray, flow: np.ndarray, layers: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """What each expert saves on each GPU while the neighbouring layers stay (these layers, experts, gpus)."""
    gpu = np.arange(num_gpus)
    per_node = num_gpus // num_nodes
    near = np.float32(ALPHA) * (placement[:, :, None] == gpu)
    if num_nodes > 1:
        near += np.float32(BETA) * (placement[:, :, None] // per_node == gpu // per_node)
    saved = np.zeros((len(layers), placement.shape[1], num_gpus), dtype=np.float32)
    after, before = layers > 0, layers + 1 < len(placement)
    saved[after] += flow[layers[after] - 1].transpose(0, 2, 1) @ near[layers[after] - 1]
    saved[before] += flow[layers[before]] @ near[layers[before] + 1]
    return saved


def exchange(
    seats: np.ndarray, saved: np.ndarray, weight: np.ndarray, penalty: float, rng: np.random.Generator
) -> None:
    """Exchange pairs of experts in place while that gains.

    seats holds experts by GPU (layers, gpus, room), weight their load over the mean GPU load (layers, experts).
    From every GPU to every other one expert is considered: the one that gains most by going among those about as heavy
    as one drawn at random, so that what comes back is about as heavy as what goes.
    """
    layers, gpus, room = seats.shape
    rows, each = np.arange(layers), np.arange(gpus)
    flat = seats.reshape(layers, -1)
    worth = np.take_along_axis(saved, flat[:, :, None], axis=1).reshape(layers, gpus, room, gpus)
    held = np.take_along_axis(weight, flat, axis=1).reshape(layers, gpus, room)
    for _ in range(STEPS):
        loads = held.sum(axis=2)
        own = worth[:, each, :, each].transpose(1, 0, 2) - 2 * penalty * held * loads[:, :, None]
        gain = worth - 2 * penalty * held[..., None] * loads[:, None, None, :]
        typical = weight[rows, rng.integers(weight.shape[1], size=layers)]
        alike = 2 * penalty * (held - typical[:, None, None]) ** 2
        goer = np.argmax(gain - (own + alike)[..., None], axis=2)  # (layers, from, to)
        best = np.take_along_axis(gain, goer[:, :, None, :], axis=2)[:, :, 0] - np.take_along_axis(own, goer, axis=2)
        heavy = np.take_along_axis(held, goer, axis=2)
        best = best + best.transpose(0, 2, 1) - 2 * penalty * (heavy - heavy.transpose(0, 2, 1)) ** 2
        best[:, each, each] = -1
        for _ in range(PAIRS):
            here, there = np.divmod(np.argmax(best.reshape(layers, -1), axis=1), gpus)
            live = np.flatnonzero(best[rows, here, there] > LEAST_GAIN)
            here, there = here[live], there[live]
            mine, theirs = (live, here, goer[live, here, there]), (live, there, goer[live, there, here])
            for values in (seats, worth, held):
                values[mine], values[theirs] = values[theirs], values[mine]
            for gpu in (here, there):
                best[live, gpu] = best[live, :, gpu] = -1


def refine(
    placement: np.ndarray, transitions: np.ndarray, load: np.ndarray, num_gpus: int, num_nodes: int
) -> np.ndarray:
    """Improve every second layer at once, the others held, in turn: GPU of each expert (layers, experts)."""
    layers = len(placement)
    placement = placement.copy()
    rng = np.random.default_rng(0)
    flow = transitions / (np.maximum(transitions.sum(axis=(1, 2), keepdims=True), 1) * max(1, layers - 1))
    weight = num_gpus * load / np.maximum(load.sum(axis=1, keepdims=True), 1)
    owner = np.repeat(np.arange(num_gpus), load.shape[1] // num_gpus)
    for _ in range(SWEEPS):
        for parity in (0, 1):
            some = np.arange(parity, layers, 2)
            seats = np.argsort(placement[some], axis=1, kind="stable").reshape(len(some), num_gpus, -1)
            exchange(seats, pull(placement, flow, some, num_gpus, num_nodes), weight[some], PENALTY / layers, rng)
            placement[some[:, None], seats.reshape(len(some), -1)] = owner
    return placement


def place(transitions: np.ndarray, load: np.ndarray, num_gpus: int, num_nodes: int) -> np.ndarray:
    """GPU of every expert for the next period: int32 (layers, experts)."""
    placement = balanced(load, num_gpus)
    return refine(placement, transitions, load, num_gpus, num_nodes).astype(np.int32)
