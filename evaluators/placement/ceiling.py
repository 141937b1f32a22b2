"""A proven upper bound on the objective of any placement, on the counts that it is scored on.

J is minus a sum of costs, and each is bounded from below by itself. Write c for the experts that a place (a GPU, or a
node) holds of a layer.

**Imbalance.** The busiest GPU carries at least the mean, and at least the heaviest expert together with the c - 1
lightest, because every GPU holds c experts.

**Moves.** For a pair of layers with transitions T let Y[i, j] = 1 where experts i and j share a place. Every place
holds c experts of either layer, so the rows and columns of Y sum to c, and <T, Y> is what is kept. The maximum of
<T, Y> over all 0 <= Y <= 1 with such rows and columns is a transport problem, a linear program that relaxes the
placement of this pair. By weak duality every u, v bound it from above by

    c * sum(u) + c * sum(v) + sum over i, j of max(0, T[i, j] - u[i] - v[j]).

With v held, the best u[i] is the c-th largest of T[i, :] - v, and the other way round. Some rounds of that come near
the program's optimum, and whatever they end with is a bound.

The costs are bounded apart, and so are GPUs and nodes, and the pairs of layers, which share layers in truth: this is a
bound and no optimum. (A bound by the singular values of T, as Donath and Hoffman's for graphs, holds as well; it was
never the lower one, because skewed loads alone make the first singular values large.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.placement.measures import ALPHA, BETA, GAMMA, Counts, Values
from evaluators.placement.periods import Deployment

DUAL_ROUNDS = 4
"""How often the dual variables of rows and columns are set in turn."""


def ceiling(deployment: Deployment) -> float:
    """Mean over the scored periods of the bound on J."""
    bounds = [
        objective_bound(
            deployment.transitions[period], deployment.load[period], deployment.num_gpus, deployment.num_nodes
        )
        for period in deployment.scored
    ]
    return float(np.mean(bounds))


def objective_bound(transitions: Counts, load: Counts, num_gpus: int, num_nodes: int) -> float:
    """Upper bound of J over all legal placements on these counts; see the module for the proof."""
    crossing = 1 - float(kept_bound(transitions, num_gpus).mean())
    leaving = 1 - float(kept_bound(transitions, num_nodes).mean()) if num_nodes > 1 else 0.0
    imbalance = float(peak_bound(load, num_gpus).mean()) - 1
    return -(ALPHA * crossing + BETA * leaving + GAMMA * imbalance)


def kept_bound(transitions: Counts, places: int) -> Values:
    """Upper bound of the share of moves that any placement keeps in one of so many places, ``(layers - 1,)``."""
    shares = np.ones(len(transitions))
    for pair, counts in enumerate(transitions):
        total = float(counts.sum(dtype=np.float64))
        if total > 0:
            shares[pair] = min(1.0, transport_bound(counts / total, places))
    return shares


def transport_bound(table: NDArray[np.float64], places: int) -> float:
    """Value of a feasible dual solution of the transport problem, for a table ``(experts, experts)``."""
    room = table.shape[0] // places
    columns = np.zeros(table.shape[1])
    for _ in range(DUAL_ROUNDS):
        rows = _room_th_largest(table - columns, room)
        columns = _room_th_largest((table - rows[:, None]).T, room)
    over = table - rows[:, None] - columns
    return float(room * (rows.sum() + columns.sum()) + np.maximum(over, 0).sum())


def _room_th_largest(table: NDArray[np.float64], room: int) -> NDArray[np.float64]:
    """The ``room``-th largest value of each row."""
    place = table.shape[1] - room
    largest: NDArray[np.float64] = np.partition(table, place, axis=1)[:, place]
    return largest


def peak_bound(load: Counts, num_gpus: int) -> Values:
    """Lower bound of maximal over mean GPU load over all placements, ``(layers,)``, for loads ``(layers, experts)``."""
    layers, experts = load.shape
    room = experts // num_gpus
    rising = np.sort(load.astype(np.float64), axis=1)
    heaviest = rising[:, -1] + rising[:, : room - 1].sum(axis=1)
    mean = rising.sum(axis=1) / num_gpus
    ratio: Values = np.divide(np.maximum(mean, heaviest), mean, out=np.ones(layers), where=mean > 0)
    return ratio
