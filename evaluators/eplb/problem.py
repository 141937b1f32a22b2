"""The problem ``eplb``: plan expert replicas and their placement for the next window of a drifting stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.eplb.measures import Plan, balance, balance_ceiling, moved, plan_form
from evaluators.eplb.oracle import keep_where_it_pays
from evaluators.eplb.relations import RELATIONS
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from evaluators.workloads.stream import LoadStream
from sandbox import Limits

MIGRATION_COST = 0.05
"""Objective lost by a full reshuffle: moving every slot costs 5 % of a window (see seeds/eplb/statement.md)."""

HISTORY_WINDOWS = 16
"""How many past windows a candidate sees at most."""

PATIENCE = 4.0
"""A single call may take this many gates: the gate holds for the mean, and machines hiccup."""

REFERENCE_SEED = "deepseek_global"
"""The seed that the reference shows the true next window to."""

FOLDER = Path(seeds.__file__).parent / "eplb"

DECLARATION = Declaration(
    name="eplb",
    family="expert parallelism",
    title="expert replication and placement for MoE serving under drift",
    entry="plan",
    parameters=("history", "previous", "num_slots", "num_gpus", "num_nodes"),
    optional_parameters=frozenset({"previous"}),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="net_balance",
        unit="",
        higher_is_better=True,
        description="mean/max GPU load on the next window minus 0.05 x share of slots moved",
    ),
    metrics=(
        Metric(name="balance", unit="", higher_is_better=True, description="mean/max GPU load, next window"),
        Metric(name="moved", unit="%", higher_is_better=False, description="slots moved per window"),
        Metric(name="plan_ms", unit="ms", higher_is_better=False, description="planning time per window"),
    ),
    descriptors=(
        Descriptor(metric="moved", edges=(5.0, 15.0, 40.0)),
        Descriptor(metric="plan_ms", edges=(10.0, 40.0)),
    ),
    baseline="deepseek_hierarchical",
    reference="greedy oracle that sees the true next window and keeps slots where that pays",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=4,
    checks=(TIME_GATE,),
    best_known="13.4 ± 1.8 own, 28.9 ± 3.3 generated (ten minutes of offline search)",
    cost="1 s, hidden 4 s (own); 6 and 18 s (generated)",
)


class Eplb(PolicyProblem):
    """Expert replication and placement under drift.

    Args:
        draw: gives the streams of a split for a 32-byte seed.
        workloads: digest of the definition of those streams.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[LoadStream]], workloads: str) -> None:
        facts = {
            "workloads": workloads,
            "migration_cost": MIGRATION_COST,
            "history_windows": HISTORY_WINDOWS,
            "patience": PATIENCE,
        }
        super().__init__(DECLARATION, FOLDER, facts, marks=(REFERENCE_SEED,))
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[LoadStream]:
        """Draw the streams of a block."""
        return self._draw(split, seed)

    def play(self, workload: LoadStream, guest: Guest) -> Measured:
        """Ask for a plan for every scored window; see `evaluators.problem.Problem.play`."""
        stream = workload
        experts = stream.loads.shape[2]
        previous: Plan | None = None
        series, balances, shares, seconds = [], [], [], []
        gate = TimeGate(
            calls=stream.scored_windows,
            counted=math.ceil(0.9 * stream.scored_windows),
            seconds=stream.gate_seconds,
            doing="planning",
            unit="window",
        )
        for window in range(stream.warm_windows, len(stream.loads)):
            plan, took = self._ask(stream, window, previous, guest)
            reached = float(balance(plan, stream.loads[window], stream.num_gpus).mean())
            share = 0.0
            if previous is not None:
                share = float(moved(plan, previous, experts, stream.num_gpus).mean())
            balances.append(reached)
            shares.append(share)
            seconds.append(took)
            gate.check(seconds, guest)
            series.append(reached - MIGRATION_COST * share)
            previous = plan
        return Measured(
            series=tuple(series),
            metrics={
                "balance": float(np.mean(balances)),
                "moved": 100 * float(np.mean(shares)),
                "plan_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: LoadStream, open_seed: Callable[[str], Guest]) -> float:
        """J of the oracle: the seed ``deepseek_global`` shown the true next window, layers kept where it pays."""
        stream = workload
        guest = open_seed(REFERENCE_SEED)
        previous: Plan | None = None
        values = []
        for window in range(stream.warm_windows, len(stream.loads)):
            load = stream.loads[window]
            fresh, _ = self._ask(stream, window, None, guest, history=load[None])
            plan = keep_where_it_pays(fresh, previous, load, stream.num_gpus, MIGRATION_COST)
            value = float(balance(plan, load, stream.num_gpus).mean())
            if previous is not None:
                share = moved(plan, previous, load.shape[1], stream.num_gpus)
                value -= MIGRATION_COST * float(share.mean())
            values.append(value)
            previous = plan
        return float(np.mean(values))

    def ceiling(self, workload: LoadStream) -> float:
        """Mean over windows and layers of the proven bound on balance, as if nothing ever moved."""
        scored = workload.loads[workload.warm_windows :]
        return float(balance_ceiling(scored, workload.num_slots, workload.num_gpus).mean())

    def _ask(
        self,
        stream: LoadStream,
        window: int,
        previous: Plan | None,
        guest: Guest,
        history: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None,
    ) -> tuple[Plan, float]:
        """Ask for one plan, check it, and return a copy of our own with the time it took in seconds."""
        if history is None:
            history = stream.loads[max(0, window - HISTORY_WINDOWS) : window]
        layers, experts = stream.loads.shape[1:]
        reply = guest.call(
            {
                "history": history,
                "previous": previous,
                "num_slots": stream.num_slots,
                "num_gpus": stream.num_gpus,
                "num_nodes": stream.num_nodes,
            },
            timeout_seconds=max(PATIENCE * stream.gate_seconds, 1.0),
            expected=plan_form(layers, experts, stream.num_slots),
        )
        return np.array(reply.value, dtype=np.int32), reply.seconds
