"""The problem ``eplb_speed``: a plan as well balanced as DeepSeek's for the given load, as fast as possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import seeds
from evaluators.eplb_speed.measures import TOLERANCE
from evaluators.eplb_speed.relations import RELATIONS
from evaluators.eplb_speed.tasks import PlanningTask
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from evaluators.timing import Plan
from sandbox import Limits

REFERENCE_SPEED_UP = 16.0
"""Score 100: so many times as fast as DeepSeek's loops on the same machine (docs/eplb_speed.md says why)."""

TIMEOUT_SECONDS = 8.0
"""For one call; DeepSeek's loops take half a second at the largest shape, and machines hiccup."""

TIMING = Plan(fewest_rounds=5, most_rounds=20, most_seconds=4.0, half_width=0.1)
"""Baselines of 20 to 100 ms a call ask for fewer rounds; the spread between draws counts more than that of calls."""

FOLDER = Path(seeds.__file__).parent / "eplb_speed"

DECLARATION = Declaration(
    name="eplb_speed",
    family="expert parallelism",
    title="expert replication and placement as balanced as DeepSeek's, in the least time",
    entry="rebalance",
    parameters=("load", "num_slots", "num_groups", "num_nodes", "num_gpus"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="gain",
        unit="log2",
        higher_is_better=True,
        description="log2 of the speed-up over DeepSeek's loops, for plans no worse balanced",
    ),
    metrics=(
        Metric(name="speed_up", unit="x", higher_is_better=True, description="how many times as fast as the baseline"),
        Metric(name="call_ms", unit="ms", higher_is_better=False, description="median of one call, channel included"),
        Metric(name="channel_ms", unit="ms", higher_is_better=False, description="median call of an empty program"),
        Metric(name="calls", unit="", higher_is_better=True, description="timed calls that count"),
    ),
    descriptors=(Descriptor(metric="speed_up", edges=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0)),),
    baseline="deepseek",
    reference=f"{REFERENCE_SPEED_UP:g} times as fast as DeepSeek's loops, in Python and numpy on the same machine",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=2,
    timed=True,
    timing=TIMING,
    shown_by_kind=("speed_up", "call_ms"),
    best_known="103 and 107 (by hand, two blocks)",
    cost="2 to 6 s",
)


class EplbSpeed(PolicyProblem):
    """A balanced plan for a given load, as fast as possible.

    Args:
        draw: gives the workloads of a split for a 32-byte seed.
        definition: what defines these workloads, digested with the constants.
    """

    relations = RELATIONS

    def __init__(
        self, draw: Callable[[Split, bytes], Sequence[PlanningTask]], definition: Mapping[str, object]
    ) -> None:
        facts = {**definition, "tolerance": TOLERANCE, "reference_speed_up": REFERENCE_SPEED_UP}
        super().__init__(DECLARATION, FOLDER, facts)
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[PlanningTask]:
        """Draw a block of workloads, the cheapest first."""
        return self._draw(split, seed)

    def play(self, workload: PlanningTask, guest: Guest) -> Measured:
        """Time a program against DeepSeek's loops on loads that nobody has seen; every plan of both is checked."""
        timing = guest.compare(workload.draw, TIMEOUT_SECONDS)
        return Measured.of_timing(
            timing,
            {
                "speed_up": timing.ratio,
                "call_ms": 1000 * timing.seconds,
                "channel_ms": 1000 * timing.channel_seconds,
                "calls": float(timing.n),
            },
        )

    def reference_objective(self, workload: PlanningTask, open_seed: Callable[[str], Guest]) -> float:
        """A fixed factor, the same on every machine and shape."""
        del workload, open_seed
        return math.log2(REFERENCE_SPEED_UP)

    def ceiling(self, workload: PlanningTask) -> float:
        """Only the machine can tell: no program beats the empty one, which the judge times beside it."""
        del workload
        return math.inf
