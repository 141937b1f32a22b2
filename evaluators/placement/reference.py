"""What score 100 stands for: an optimiser without a clock that is shown the very counts that a period is scored on.

It starts from a chain: each layer is assigned to the layer before it so that most moves stay (a linear assignment of
experts to seats, scipy's `linear_sum_assignment`), whatever the load. Then every second layer at once is improved by
exchanges of two experts, its neighbours held, with a penalty on uneven loads that grows from stage to stage; at last by
exchanges with the busiest GPU on the objective itself. Exchanges keep every placement legal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from evaluators.placement.measures import ALPHA, BETA, GAMMA, Counts, Placement, costs

PENALTIES = (0.03, 0.1, 0.3, 1.0)
"""Weight of the squared deviations of the GPU loads from their mean, stage by stage."""

SWEEPS = 1
"""How often each stage goes through even and odd layers."""

STEPS = 8
"""Rounds of exchanges in a sweep; each exchanges up to `PAIRS` pairs of experts in every layer, no GPU twice."""

PAIRS = 16

POLISH = 30
"""Exchanges with the busiest GPU, at most, in the end."""

LEAST_GAIN = 1e-7
"""What an exchange must gain, in the unit of the objective: less is rounding."""

Table = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Counts as the search sees them.

    Args:
        flow: ``(layers - 1, experts, experts)``, share of each move; all pairs of layers together sum to 1.
        weight: ``(layers, experts)``, load over mean GPU load.
        num_gpus: GPUs.
        num_nodes: servers.
    """

    flow: Table
    weight: Table
    num_gpus: int
    num_nodes: int


def make_task(transitions: Counts, load: Counts, num_gpus: int, num_nodes: int) -> Task:
    """Scale counts so that gains are in the unit of the objective."""
    flow = transitions.astype(np.float32)
    flow /= np.maximum(flow.sum(axis=(1, 2), keepdims=True), 1) * max(1, len(flow))
    weight = load.astype(np.float32)
    weight *= num_gpus / np.maximum(weight.sum(axis=1, keepdims=True), 1)
    return Task(flow=flow, weight=weight, num_gpus=num_gpus, num_nodes=num_nodes)


def best_known(transitions: Counts, load: Counts, num_gpus: int, num_nodes: int) -> Placement:
    """The best placement that the optimiser finds on these counts, int32 ``(layers, experts)``."""
    task = make_task(transitions, load, num_gpus, num_nodes)
    placement = chain(task)
    best, most = placement, -np.inf
    for penalty in PENALTIES:
        for _ in range(SWEEPS):
            for parity in (0, 1):
                layers = np.arange(parity, len(placement), 2)
                seats = _seats(placement[layers], num_gpus)
                pull = _pull(task, placement, layers)
                _exchange(seats, pull, task.weight[layers], np.float32(penalty / len(placement)))
                placement[layers] = _gpus(seats)
        polished = _polish(task, placement.copy())
        value = costs(polished, transitions, load, num_gpus, num_nodes).objective
        if value > most:
            best, most = polished, value
    return best


def chain(task: Task) -> Placement:
    """Assign every layer to the one before it so that the most valuable moves stay."""
    layers, experts = task.weight.shape
    room = experts // task.num_gpus
    placement = np.empty((layers, experts), dtype=np.int32)
    placement[0] = np.arange(experts) // room
    for layer in range(1, layers):
        value = _saved(task, task.flow[layer - 1].T, placement[layer - 1])
        seat = linear_sum_assignment(np.repeat(value, room, axis=1), maximize=True)[1]
        placement[layer] = seat // room
    return placement


def _saved(task: Task, flow: Table, row: Placement) -> Table:
    """What each expert saves on each GPU, ``(experts, gpus)``, beside all its moves going to another node.

    Args:
        task: what is solved.
        flow: share of each move to or from the experts of another layer, ``(experts, others)``.
        row: where these others are.
    """
    experts = len(flow)
    by_gpu = flow[:, np.argsort(row, kind="stable")].reshape(experts, task.num_gpus, -1).sum(axis=2)
    saved: Table = np.float32(ALPHA) * by_gpu
    if task.num_nodes > 1:
        by_node = np.float32(BETA) * by_gpu.reshape(experts, task.num_nodes, -1).sum(axis=2)
        saved += by_node.repeat(task.num_gpus // task.num_nodes, axis=1)
    return saved


def _pull(task: Task, placement: Placement, layers: NDArray[np.int64]) -> Table:
    """Gain of each expert on each GPU with the neighbouring layers held, ``(these layers, experts, gpus)``."""
    pull = np.zeros((len(layers), placement.shape[1], task.num_gpus), dtype=np.float32)
    for index, layer in enumerate(layers):
        if layer > 0:
            pull[index] += _saved(task, task.flow[layer - 1].T, placement[layer - 1])
        if layer + 1 < len(placement):
            pull[index] += _saved(task, task.flow[layer], placement[layer + 1])
    return pull


def _seats(placement: Placement, num_gpus: int) -> NDArray[np.int64]:
    """Experts by GPU, ``(layers, gpus, room)``."""
    return np.argsort(placement, axis=1, kind="stable").reshape(len(placement), num_gpus, -1)


def _gpus(seats: NDArray[np.int64]) -> Placement:
    """The placement that these seats are, int32 ``(layers, experts)``."""
    layers, gpus, room = seats.shape
    placement = np.empty((layers, gpus * room), dtype=np.int32)
    owner = np.broadcast_to(np.repeat(np.arange(gpus, dtype=np.int32), room), placement.shape)
    np.put_along_axis(placement, seats.reshape(layers, -1), owner, axis=1)
    return placement


def _exchange(seats: NDArray[np.int64], pull: Table, weight: Table, penalty: np.float32) -> None:
    """Exchange pairs of experts where pull minus ``penalty * sum((gpu load - 1)^2)`` gains, in place."""
    _, gpus, room = seats.shape
    live = np.arange(len(seats))
    for _ in range(STEPS):
        flat = seats[live].reshape(len(live), -1)
        gain = _gains(flat, pull[live], weight[live], penalty, gpus)
        # The best exchange of each pair of GPUs.
        by_pair = gain.reshape(len(live), gpus, room, gpus, room).transpose(0, 1, 3, 2, 4)
        by_pair = by_pair.reshape(len(live), gpus, gpus, room * room)
        place = by_pair.argmax(axis=3)
        best = np.take_along_axis(by_pair, place[..., None], axis=3)[..., 0]
        moved = np.zeros(len(live), dtype=np.bool_)
        for _ in range(PAIRS):
            here, there = np.divmod(best.reshape(len(live), -1).argmax(axis=1), gpus)
            rows = np.flatnonzero(best[np.arange(len(live)), here, there] > LEAST_GAIN)
            if not len(rows):
                break
            here, there = here[rows], there[rows]
            mine, theirs = np.divmod(place[rows, here, there], room)
            first, second = (live[rows], here, mine), (live[rows], there, theirs)
            seats[first], seats[second] = seats[second], seats[first]
            moved[rows] = True
            for gpu in (here, there):
                best[rows, gpu] = best[rows, :, gpu] = -1
        live = live[moved]
        if not len(live):
            return


def _gains(flat: NDArray[np.int64], pull: Table, weight: Table, penalty: np.float32, gpus: int) -> Table:
    """Gain of exchanging the experts of any two seats, ``(layers, seats, seats)``; none within a GPU."""
    layers, seats = flat.shape
    owner = np.repeat(np.arange(gpus), seats // gpus)
    held = np.take_along_axis(weight, flat, axis=1)
    loads = held.reshape(layers, gpus, -1).sum(axis=2)
    # Of the squares' change 2 d (there - here) + 2 d^2 for a weight d that moves, the first part is linear in the
    # experts' weights and goes with the pull.
    worth = np.take_along_axis(pull, flat[:, :, None], axis=1) - 2 * penalty * held[:, :, None] * loads[:, None, :]
    worth -= np.take_along_axis(worth, owner[None, :, None], axis=2)
    move = worth[:, :, owner]
    gain: Table = move + move.transpose(0, 2, 1) - 2 * penalty * (held[:, :, None] - held[:, None, :]) ** 2
    gain[:, owner[:, None] == owner] = -1
    return gain


def _polish(task: Task, placement: Placement) -> Placement:
    """Exchange an expert of a layer's busiest GPU with any other while the objective itself gains, in place."""
    layers = len(placement)
    for layer in range(layers):
        pull = _pull(task, placement, np.array([layer]))[0]
        row, weight = placement[layer], task.weight[layer]
        for _ in range(POLISH):
            loads: Table = np.bincount(row, weights=weight, minlength=task.num_gpus).astype(np.float64)
            busiest = int(loads.argmax())
            mine, others = np.flatnonzero(row == busiest), np.flatnonzero(row != busiest)
            theirs = row[others]
            saved = (pull[mine][:, theirs] - pull[mine, busiest][:, None]) + (
                pull[others, busiest] - pull[others, theirs]
            )
            given = weight[mine][:, None] - weight[others]
            rest = _largest_of_others(loads, busiest, theirs)
            peak = np.maximum(np.maximum(loads[busiest] - given, loads[theirs] + given), rest)
            gain = saved + GAMMA / layers * (loads[busiest] - peak)
            best = int(gain.argmax())
            if gain.flat[best] <= LEAST_GAIN:
                break
            one, other = mine[best // len(others)], others[best % len(others)]
            row[one], row[other] = row[other], row[one]
    return placement


def _largest_of_others(loads: Table, busiest: int, theirs: NDArray[np.int32]) -> Table:
    """The largest load beside those of the busiest GPU and of the one given; 0 where there is no other."""
    rest = loads.copy()
    rest[busiest] = 0
    second = int(rest.argmax())
    without = rest.copy()
    without[second] = 0
    largest: Table = np.where(theirs == second, without.max(), rest[second])
    return largest
