"""The problem ``block_coreset``: which experts to load for a block of tokens that is decoded at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.block_coreset.blocks import BlockStream
from evaluators.block_coreset.bound import ceiling
from evaluators.block_coreset.measures import choice_form, columns, kept
from evaluators.block_coreset.reference import best_choice
from evaluators.block_coreset.relations import RELATIONS
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from sandbox import Limits

GATE_SECONDS = 80e-3
"""What every call may take, on average over the quicker half of a stream's. In an engine this runs before every layer
and may take microseconds; but Python is no kernel, and on a busy machine a call waits milliseconds for its turn."""

PATIENCE = 3.0
"""All calls of a stream may take so many gates on average, and 5 s in any case."""

CALL_SECONDS = 3.0
"""A call that takes longer is ended; the gate refuses its program in any case."""

FOLDER = Path(seeds.__file__).parent / "block_coreset"

DECLARATION = Declaration(
    name="block_coreset",
    family="routing inside the layer",
    title="dynamic expert sharing: the few experts that are loaded for a block of tokens",
    entry="select",
    parameters=("ids", "weights", "budget"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="kept",
        unit="",
        higher_is_better=True,
        description="mean over a block's tokens of the gate mass kept, plus its 5th percentile; mean over blocks",
    ),
    metrics=(
        Metric(name="kept_mean", unit="%", higher_is_better=True, description="gate mass kept, mean over tokens"),
        Metric(name="kept_low", unit="%", higher_is_better=True, description="gate mass kept, 5th percentile"),
        Metric(name="select_ms", unit="ms", higher_is_better=False, description="time of one choice"),
    ),
    descriptors=(
        Descriptor(metric="kept_low", edges=(40.0, 45.0, 50.0)),
        Descriptor(metric="select_ms", edges=(1.0, 4.0, 16.0)),
    ),
    baseline="frequency",
    reference="local search by exchanges from several starts, without a clock",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=1 << 20),
    preload=("numpy",),
    race_after=6,
    checks=(TIME_GATE,),
    shown_by_kind=("kept_mean", "kept_low"),
    best_known="65.3 ± 2.8 own; 99.6 own (greedy starts and exchanges)",
    cost="0.5 s, hidden 1.5 s",
)


class BlockCoreset(PolicyProblem):
    """Dynamic expert sharing.

    Args:
        draw: gives the streams of a split for a 32-byte seed.
        facts: what defines those streams; see `PolicyProblem`.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[BlockStream]], facts: Mapping[str, object]) -> None:
        super().__init__(DECLARATION, FOLDER, facts)
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[BlockStream]:
        """Draw the streams of a judge's block."""
        return self._draw(split, seed)

    def play(self, workload: BlockStream, guest: Guest) -> Measured:
        """Ask for the experts of every block; see `evaluators.problem.Problem.play`."""
        found, seconds = [], []
        calls = len(workload.blocks)
        gate = TimeGate(
            calls=calls,
            counted=math.ceil(calls / 2),
            seconds=GATE_SECONDS,
            patience=PATIENCE,
            doing="selecting",
            unit="call",
        )
        for block, (experts, mass) in zip(workload.blocks, workload.tables, strict=True):
            reply = guest.call(
                {"ids": block.ids, "weights": block.weights, "budget": block.budget},
                timeout_seconds=CALL_SECONDS,
                expected=choice_form(block, experts),
            )
            seconds.append(reply.seconds)
            gate.check(seconds, guest)
            found.append(kept(mass, columns(experts, reply.value)))
        return Measured(
            series=tuple(each.objective for each in found),
            metrics={
                "kept_mean": 100 * float(np.mean([each.mean for each in found])),
                "kept_low": 100 * float(np.mean([each.low for each in found])),
                "select_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: BlockStream, open_seed: Callable[[str], Guest]) -> float:
        """J of the local search."""
        del open_seed
        found = [
            kept(mass, best_choice(mass, block.budget)).objective
            for (_, mass), block in zip(workload.tables, workload.blocks, strict=True)
        ]
        return float(np.mean(found))

    def ceiling(self, workload: BlockStream) -> float:
        """The proven bound of `evaluators.block_coreset.bound`."""
        return ceiling(workload)
