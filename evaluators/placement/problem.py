"""The problem ``placement``: put the experts of all layers on GPUs so that tokens move little and loads are even."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.placement.ceiling import ceiling
from evaluators.placement.measures import costs, placement_form
from evaluators.placement.periods import Deployment
from evaluators.placement.reference import best_known
from evaluators.placement.relations import RELATIONS
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from sandbox import Limits

PATIENCE = 4.0
"""A single call may take this many gates: the gate holds for the mean, and machines hiccup."""

LEAST_TIMEOUT_SECONDS = 2.0
"""A single call may take at least so long, whatever the gate."""

DROPPED = 1
"""How many calls of a workload, the slowest, do not count towards the gate."""

FOLDER = Path(seeds.__file__).parent / "placement"

DECLARATION = Declaration(
    name="placement",
    family="expert parallelism",
    title="expert placement by the affinity between layers",
    entry="place",
    parameters=("transitions", "load", "num_gpus", "num_nodes"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="lost_time",
        unit="",
        higher_is_better=True,
        description="minus the time lost per visit: 0.4 x crossing + 0.9 x leaving + imbalance, next period",
    ),
    metrics=(
        Metric(name="crossing", unit="%", higher_is_better=False, description="moves that end on another GPU"),
        Metric(name="leaving", unit="%", higher_is_better=False, description="moves that end on another node"),
        Metric(name="imbalance", unit="%", higher_is_better=False, description="excess of the busiest GPU"),
        Metric(name="place_ms", unit="ms", higher_is_better=False, description="time of one placement"),
    ),
    descriptors=(
        Descriptor(metric="crossing", edges=(85.0, 88.0, 91.0)),
        Descriptor(metric="imbalance", edges=(11.0, 13.0, 20.0)),
    ),
    baseline="lpt",
    reference="an optimiser without a clock that is shown the counts of the scored period",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=4,
    checks=(TIME_GATE,),
    shown_by_kind=("crossing", "leaving", "imbalance"),
    best_known="10.4 ± 1.1 own (seed); 46.4 ± 9.8 generated (by hand)",
    cost="2 s",
)


class Placing(PolicyProblem):
    """Expert placement by the affinity between layers.

    Args:
        draw: gives the deployments of a split for a 32-byte seed.
        facts: what else a score depends on; see `PolicyProblem`.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[Deployment]], facts: Mapping[str, object]) -> None:
        super().__init__(DECLARATION, FOLDER, facts)
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[Deployment]:
        """Draw the deployments of a block, each when it is asked for."""
        return self._draw(split, seed)

    def play(self, workload: Deployment, guest: Guest) -> Measured:
        """Ask for a placement for every scored period; see `evaluators.problem.Problem.play`."""
        deployment = workload
        layers, experts = deployment.load.shape[1:]
        expected = placement_form(layers, experts, deployment.num_gpus)
        found, seconds = [], []
        calls = len(deployment.scored)
        gate = TimeGate(
            calls=calls, counted=calls - DROPPED, seconds=deployment.gate_seconds, doing="placing", unit="period"
        )
        for period in deployment.scored:
            transitions, load = deployment.past(period)
            reply = guest.call(
                {
                    "transitions": transitions,
                    "load": load,
                    "num_gpus": deployment.num_gpus,
                    "num_nodes": deployment.num_nodes,
                },
                timeout_seconds=max(PATIENCE * deployment.gate_seconds, LEAST_TIMEOUT_SECONDS),
                expected=expected,
            )
            seconds.append(reply.seconds)
            gate.check(seconds, guest)
            found.append(
                costs(
                    reply.value,
                    deployment.transitions[period],
                    deployment.load[period],
                    deployment.num_gpus,
                    deployment.num_nodes,
                )
            )
        return Measured(
            series=tuple(cost.objective for cost in found),
            metrics={
                "crossing": 100 * float(np.mean([cost.crossing for cost in found])),
                "leaving": 100 * float(np.mean([cost.leaving for cost in found])),
                "imbalance": 100 * float(np.mean([cost.imbalance for cost in found])),
                "place_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: Deployment, open_seed: Callable[[str], Guest]) -> float:
        """J of `best_known`, shown the very counts that each period is scored on."""
        del open_seed
        values = []
        for period in workload.scored:
            shown = workload.transitions[period], workload.load[period], workload.num_gpus, workload.num_nodes
            values.append(costs(best_known(*shown), *shown).objective)
        return float(np.mean(values))

    def ceiling(self, workload: Deployment) -> float:
        """The proven bound of `evaluators.placement.ceiling`."""
        return ceiling(workload)
