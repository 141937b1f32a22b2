"""Deployments made of recorded routing: whole sequences in an order of the seed's, cut into periods."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.placement.periods import Deployment, Ids, count, gate_seconds
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.routes import RouteSource, TraceError

RECORDED_VERSION = 2
"""Raise with every change of what a trace gives: scores of different versions never compare."""

MACHINES: Mapping[Split, tuple[tuple[int, int], ...]] = {
    Split.TRAIN: ((8, 1), (16, 2)),
    Split.VALIDATION: ((8, 2), (16, 2)),
    Split.HIDDEN: ((8, 1), (16, 4), (32, 4)),
}
"""GPUs and nodes that a recorded model is placed on, where each GPU gets at least two experts."""

FEWEST_PERIODS, MOST_PERIODS = 3, 5
"""One period is past only, and a series needs two scored ones."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 4, Split.VALIDATION: 4, Split.HIDDEN: 6}
"""Orders of arrival of the same sequences, over all models of the source together."""


def recorded(source: RouteSource, split: Split, seed: bytes) -> list[Deployment]:
    """Every machine with every order of arrival, the smallest machine first; models of the source by turns.

    Raises:
        TraceError: too few sequences, or no machine fits the experts.
    """
    models = source.variants
    by_order = [
        _periods(models[order % len(models)], split, derive_seed(seed, f"placement/{split.value}/{order}"))
        for order in range(max(DRAWS[split], len(models)))
    ]
    experts = by_order[0][1]
    machines = [(gpus, nodes) for gpus, nodes in MACHINES[split] if experts % gpus == 0 and experts >= 2 * gpus]
    if not machines:
        raise TraceError(
            f"{source.name}: {experts} experts fit none of {[gpus for gpus, _ in MACHINES[split]]} GPUs evenly, two on "
            "each; record a model with another number of experts"
        )
    counted = [count(periods, experts) for periods, _ in by_order]
    layers = counted[0][1].shape[1]
    return [
        Deployment(
            name=f"{layers}x{experts}/{gpus}gpu/{nodes}node/{models[order % len(models)].name}/{order}",
            transitions=transitions,
            load=load,
            num_gpus=gpus,
            num_nodes=nodes,
            gate_seconds=gate_seconds(layers, experts),
            stratum=f"{layers}x{experts}/{gpus}gpu/{nodes}node/{source.name}",
        )
        for gpus, nodes in machines
        for order, (transitions, load) in enumerate(counted)
    ]


def _periods(source: RouteSource, split: Split, seed: bytes) -> tuple[list[Ids], int]:
    """The split's sequences of all domains, mixed, in periods of about equally many tokens; and how many experts."""
    trace = source.sequences(split, seed)
    pieces = [sequence.ids for sequences in trace.domains.values() for sequence in sequences]
    if len(pieces) < FEWEST_PERIODS or trace.layers < 2:
        raise TraceError(
            f"{source.name}: split {split.value} has {len(pieces)} sequences and {trace.layers} layers, and placement "
            f"needs {FEWEST_PERIODS} and 2; record more"
        )
    order = random_generator(derive_seed(seed, "arrival")).permutation(len(pieces))
    pieces = [pieces[index] for index in order]
    cuts = _cuts(np.array([len(piece) for piece in pieces]), min(MOST_PERIODS, len(pieces)))
    return [np.concatenate(pieces[start:stop]) for start, stop in pairwise([0, *cuts, len(pieces)])], trace.experts


def _cuts(tokens: NDArray[np.int64], periods: int) -> list[int]:
    """Before which sequences a new period begins, so that all hold about equally many tokens, and each a sequence."""
    number = np.arange(periods - 1)
    wanted = np.searchsorted(np.cumsum(tokens), tokens.sum() * (number + 1) / periods) + 1
    rising = np.maximum.accumulate(wanted - number) + number
    cuts: list[int] = np.minimum(rising, len(tokens) - periods + 1 + number).tolist()
    return cuts
