"""The problem ``token_dispatch``: decide for every step of an MoE layer which GPU computes which tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from evaluators.token_dispatch.bound import lower_bound_us
from evaluators.token_dispatch.measures import foreign, plan_form, step_time
from evaluators.token_dispatch.relations import RELATIONS
from evaluators.token_dispatch.steps import DispatchStream
from sandbox import Limits

GATE_SECONDS = 0.080
"""How long the quicker half of a stream's calls may take on average: a Python program stands for a native one some
fifty times as quick, and half of the calls are left out because machines hiccup."""

PATIENCE = 3.0
"""All calls of a stream may take so many gates on average."""

CALL_SECONDS = 5.0
"""A call that takes longer is ended; the gate refuses its program in any case."""

FOLDER = Path(seeds.__file__).parent / "token_dispatch"

DECLARATION = Declaration(
    name="token_dispatch",
    family="expert parallelism",
    title="least-loaded expert parallelism: which GPU computes which tokens, step by step",
    entry="dispatch",
    parameters=("load", "owner", "num_gpus", "num_nodes", "hardware"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="log_speedup",
        unit="",
        higher_is_better=True,
        description="mean over steps of log2(time of plain expert parallelism / time of the step)",
    ),
    metrics=(
        Metric(
            name="speedup", unit="x", higher_is_better=True, description="geometric mean over steps, against plain EP"
        ),
        Metric(name="worst_speedup", unit="x", higher_is_better=True, description="the worst step, against plain EP"),
        Metric(name="experts_moved", unit="", higher_is_better=False, description="foreign experts sent per step"),
        Metric(name="plan_ms", unit="ms", higher_is_better=False, description="planning time per step"),
    ),
    descriptors=(
        Descriptor(metric="experts_moved", edges=(2.0, 8.0, 20.0)),
        Descriptor(metric="plan_ms", edges=(1.0, 5.0)),
    ),
    baseline="plain_ep",
    reference="local search with the same cost model and far more time than the gate allows",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=4,
    checks=(TIME_GATE,),
    shown_by_kind=("speedup", "experts_moved"),
    best_known="35.0 ± 8.0 own (seed); 68 generated (by hand)",
    cost="1 s, hidden 2 to 9 s",
)


class TokenDispatch(PolicyProblem):
    """Least-loaded expert parallelism.

    Args:
        draw: gives the streams of a split for a 32-byte seed.
        facts: what defines those streams.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[DispatchStream]], facts: Mapping[str, object]) -> None:
        constants = {"gate_seconds": GATE_SECONDS, "patience": PATIENCE, "call_seconds": CALL_SECONDS}
        super().__init__(DECLARATION, FOLDER, {**facts, **constants})
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[DispatchStream]:
        """Draw the streams of a block."""
        return self._draw(split, seed)

    def play(self, workload: DispatchStream, guest: Guest) -> Measured:
        """Ask for a plan for every step; see `evaluators.problem.Problem.play`."""
        series, moved, seconds = [], [], []
        steps = len(workload.steps)
        gate = TimeGate(
            calls=steps,
            counted=math.ceil(steps / 2),
            seconds=GATE_SECONDS,
            patience=PATIENCE,
            doing="planning",
            unit="step",
        )
        for step, plain_us in zip(workload.steps, workload.plain_us, strict=True):
            reply = guest.call(
                {
                    "load": step.load,
                    "owner": step.owner,
                    "num_gpus": step.num_gpus,
                    "num_nodes": step.num_nodes,
                    "hardware": step.costs.as_array(),
                },
                timeout_seconds=CALL_SECONDS,
                expected=plan_form(step),
            )
            plan = np.array(reply.value, dtype=np.int32)
            seconds.append(reply.seconds)
            gate.check(seconds, guest)
            series.append(math.log2(plain_us / step_time(step, plan).total_us))
            moved.append(int(foreign(step, plan).sum()))
        return Measured(
            series=tuple(series),
            metrics={
                "speedup": float(2 ** np.mean(series)),
                "worst_speedup": float(2 ** np.min(series)),
                "experts_moved": float(np.mean(moved)),
                "plan_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: DispatchStream, open_seed: Callable[[str], Guest]) -> float:
        """J of the local search."""
        del open_seed
        return _mean_log2(workload, workload.reference_us)

    def ceiling(self, workload: DispatchStream) -> float:
        """J if every step took the proven lower bound on its time."""
        known = zip(workload.steps, workload.reference_us, strict=True)
        return _mean_log2(workload, [lower_bound_us(step, known_us) for step, known_us in known])


def _mean_log2(workload: DispatchStream, times_us: Sequence[float]) -> float:
    return float(np.mean(np.log2(np.divide(workload.plain_us, times_us))))
