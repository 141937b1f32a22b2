"""Loads counted over pieces of a recorded trace.

The splits share no sequence. Every call takes other pieces of other sequences: a mix of the domains is drawn, then a
few sequences by it, and of each a stretch of consecutive tokens, half of it or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.eplb_speed.shapes import Shape
from evaluators.eplb_speed.tasks import Load, PlanningTask
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.routes import RouteSource
from evaluators.workloads.trace_files import Trace

# Raise with every change of what a seed gives: scores of different versions never compare.
RECORDED_VERSION = 2

PIECES = (8, 24)
"""Fewest and most sequences that a load is counted over."""

LONGEST_PIECE = 512
"""Tokens."""

MIX_CONCENTRATION = 0.3
"""Dirichlet parameter of each domain's share; below 1, few domains dominate."""

Machine = tuple[int, int, float]
MACHINES: dict[Split, tuple[Machine, ...]] = {
    Split.TRAIN: ((8, 1, 1.25), (16, 2, 1.5)),
    Split.VALIDATION: ((8, 2, 1.5), (16, 4, 1.25)),
    Split.HIDDEN: ((4, 1, 1.125), (16, 2, 2.0), (32, 4, 1.5)),
}
"""GPUs, nodes and slots per expert of the machines of each split; those that have too many GPUs are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLoads:
    """Loads counted over pieces of a trace.

    Args:
        trace: the split's sequences.
        seed: 32 secret bytes.
    """

    trace: Trace
    seed: bytes

    def __call__(self, number: int) -> Load:
        """The load of the call of that number."""
        rng = random_generator(derive_seed(self.seed, f"call/{number}"))
        trace, domains = self.trace, list(self.trace.domains.values())
        mix = rng.dirichlet(np.full(len(domains), MIX_CONCENTRATION))
        counts = np.zeros(trace.layers * trace.experts, dtype=np.int64)
        first = np.arange(trace.layers)[:, None] * trace.experts
        for domain in rng.choice(len(domains), size=int(rng.integers(*PIECES, endpoint=True)), p=mix):
            ids = domains[domain][int(rng.integers(len(domains[domain])))].ids
            most = min(len(ids), LONGEST_PIECE)
            length = int(rng.integers(-(-most // 2), most, endpoint=True))
            start = int(rng.integers(len(ids) - length, endpoint=True))
            counts += np.bincount((ids[start : start + length] + first).ravel(), minlength=len(counts))
        return counts.reshape(trace.layers, trace.experts).astype(np.float32)


def recorded_tasks(source: RouteSource, split: Split, seed: bytes) -> Sequence[PlanningTask]:
    """Workloads of a split for a 32-byte seed, one for each machine that suits the model; for each model of the source.

    Raises:
        ProblemError: none does.
        TraceError: the split holds no sequence.
    """
    tasks = [task for model in source.variants for task in _of_model(model, split, seed)]
    if not tasks:
        raise ProblemError(f"{source.name}: its model is too small; record one of 16 experts or more")
    return tasks


def _of_model(source: RouteSource, split: Split, seed: bytes) -> list[PlanningTask]:
    trace = source.sequences(split, seed)
    tasks = []
    for gpus, nodes, per_expert in MACHINES[split]:
        slots = -(-round(trace.experts * per_expert) // gpus) * gpus
        if slots < 2 * gpus:
            continue
        shape = Shape(
            layers=trace.layers,
            experts=trace.experts,
            top_k=trace.top_k,
            num_slots=slots,
            num_nodes=nodes,
            num_gpus=gpus,
        )
        own = RecordedLoads(trace=trace, seed=derive_seed(seed, f"eplb_speed/{split.value}/{shape.label}"))
        name = f"{source.name}/{shape.label}"
        tasks.append(PlanningTask(name=name, stratum=name, shape=shape, loads=own))
    return tasks
